// SPDX-License-Identifier: Apache-2.0
//
// What the members of a benchmark share that are written in C: the commands on standard input, messages, window
// rule and results, the same as in Sources/Programs/ringbench, so that the figures compare. A program includes it
// and says how its messages are sent and received.

#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST = 1 << 20, SAMPLES = 1 << 20 };
enum kind { DATA, TIMED, LAST };

struct mark {
  uint8_t kind, sender;
  uint16_t run;
  uint8_t senders, unused[3];
  uint64_t number, sent_at;
};
_Static_assert(sizeof(struct mark) == 24, "the head of a message");

// What the program that includes this provides ------------------------------------------------

// Sends to the group; 0 if it is to be tried again later.
static int multicast(void *bytes, size_t length, int is_safe);
// Takes what has come, by `take`; 0 at the end.
static int receive(void);
// A line on standard input that is none of those below.
static int obey_more(const char *line);

static uint8_t me;
static int is_full;  // whether the connection takes no more, and says when it does

static struct {
  int active, steady, is_safe;
  uint16_t run;
  uint8_t senders;
  size_t length;
  uint64_t window, until;         // as fast as the window lets it
  uint64_t interval, next, left;  // at a steady pace
  uint64_t sent, delivered;
} sender;

static struct {
  int known;
  uint16_t run;
  uint64_t messages, own, first_at, order, ended, samples;
} receiver;
static uint64_t delays[SAMPLES];
static char message[LONGEST];

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int ascending(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static uint64_t quantile(double share) {
  uint64_t index = (uint64_t)(share * (double)receiver.samples);
  return delays[index < receiver.samples ? index : receiver.samples - 1];
}

static void say_result(uint64_t at) {
  printf("{\"event\":\"done\",\"run\":%u,\"messages\":%" PRIu64 ",\"own\":%" PRIu64
         ",\"nanoseconds\":%" PRIu64 ",\"order\":\"%" PRIx64 "\",\"samples\":%" PRIu64,
         receiver.run, receiver.messages, receiver.own, at - receiver.first_at, receiver.order,
         receiver.samples);
  if (receiver.samples > 0) {
    qsort(delays, receiver.samples, sizeof delays[0], ascending);
    printf(",\"median\":%" PRIu64 ",\"p99\":%" PRIu64 ",\"longest\":%" PRIu64, quantile(0.5),
           quantile(0.99), delays[receiver.samples - 1]);
  }
  printf("}\n");
}

// A message of the benchmark, or not one.
static void take(const void *bytes, size_t length) {
  struct mark mark;
  if (length < sizeof mark) return;
  memcpy(&mark, bytes, sizeof mark);
  uint64_t at = now();
  if (!receiver.known || receiver.run != mark.run) {
    memset(&receiver, 0, sizeof receiver);
    receiver.known = 1;
    receiver.run = mark.run;
    receiver.first_at = at;
    receiver.order = 0xcbf29ce484222325u;
  }
  receiver.order = (receiver.order ^ ((uint64_t)mark.sender << 56 ^ mark.number)) * 0x100000001b3u;
  receiver.messages++;
  if (mark.sender == me) {
    receiver.own++;
    if (sender.run == mark.run) sender.delivered++;
  }
  if (mark.kind == TIMED && receiver.samples < SAMPLES)
    delays[receiver.samples++] = at > mark.sent_at ? at - mark.sent_at : 0;
  if (mark.kind == LAST && ++receiver.ended == mark.senders) say_result(at);
}

static void proceed(void) {
  while (sender.active) {
    uint64_t at = now();
    enum kind kind;
    if (sender.steady) {
      if (sender.next > at) return;
      kind = sender.left > 0 ? TIMED : LAST;
    } else {
      if (sender.sent - sender.delivered >= sender.window) return;
      kind = at < sender.until ? DATA : LAST;
    }
    struct mark mark = {.kind = (uint8_t)kind,
                        .sender = me,
                        .run = sender.run,
                        .senders = sender.senders,
                        .number = sender.sent,
                        .sent_at = at};
    memcpy(message, &mark, sizeof mark);
    if (!multicast(message, sender.length, sender.is_safe)) return;
    sender.sent++;
    sender.active = kind != LAST;
    sender.next += sender.interval;
    if (sender.left > 0) sender.left--;
  }
}

static void obey(const char *line) {
  char service[16];
  unsigned run, senders;
  size_t length;
  uint64_t a, b;
  memset(&sender, 0, sizeof sender);
  if (sscanf(line, "flood %u %15s %zu %u %" SCNu64 " %" SCNu64, &run, service, &length, &senders, &a, &b) == 6) {
    sender.window = a;
    sender.until = now() + b * 1000000u;
  } else if (sscanf(line, "beat %u %15s %zu %" SCNu64 " %" SCNu64, &run, service, &length, &a, &b) == 5) {
    senders = 1;
    sender.steady = 1;
    sender.left = a;
    sender.interval = b * 1000u;
    sender.next = now();
  } else {
    if (!obey_more(line)) printf("{\"event\":\"error\"}\n");
    return;
  }
  if (length > LONGEST) length = LONGEST;
  sender.length = length < sizeof(struct mark) ? sizeof(struct mark) : length;
  sender.run = (uint16_t)run;
  sender.senders = (uint8_t)senders;
  sender.is_safe = strcmp(service, "safe") == 0;
  sender.active = 1;
}

// Obeys and takes what comes over `fd`, until one of the two ends.
static int serve(int fd) {
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct pollfd waits[] = {{fd, POLLIN, 0}, {0, POLLIN, 0}, {timer, POLLIN, 0}};
  char lines[4096];
  for (;;) {
    proceed();
    waits[0].events = is_full ? POLLIN | POLLOUT : POLLIN;
    // What was refused is tried again after the next delivery, and at the latest in 1 ms.
    uint64_t due = !sender.active ? 0 : sender.steady ? sender.next : now() + 1000000u;
    struct itimerspec when = {.it_value = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
    if (poll(waits, 3, -1) < 0) return 1;
    if (waits[0].revents && !receive()) return fprintf(stderr, "the daemon is gone\n"), 1;
    if (waits[1].revents) {
      ssize_t got = read(0, lines, sizeof lines - 1);
      if (got <= 0) return 0;
      lines[got] = 0;
      obey(lines);
    }
  }
}
