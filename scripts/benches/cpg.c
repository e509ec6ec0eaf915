// SPDX-License-Identifier: Apache-2.0
//
// A member of a Corosync CPG group that sends and receives benchmark messages: the same commands on its
// standard input, messages, window rule and results as Sources/Programs/ringbench, so that the two compare.
//
//   cc -O2 -o cpg cpg.c -lcpg; ./cpg POSITION     (its position among the members, from 0)

#include <corosync/cpg.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
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

static cpg_handle_t handle;
static uint8_t me;

static struct {
  int active, steady;
  uint16_t run;
  uint8_t senders;
  cpg_guarantee_t service;
  size_t length;
  uint64_t window, until;           // as fast as the window lets it
  uint64_t interval, next, left;    // at a steady pace
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

static void deliver(cpg_handle_t h, const struct cpg_name *group, uint32_t node, uint32_t process,
                    void *bytes, size_t length) {
  (void)h, (void)group, (void)node, (void)process;
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

static void change(cpg_handle_t h, const struct cpg_name *group, const struct cpg_address *members,
                   size_t count, const struct cpg_address *left, size_t left_count,
                   const struct cpg_address *joined, size_t joined_count) {
  (void)h, (void)group, (void)left, (void)left_count, (void)joined, (void)joined_count;
  printf("{\"event\":\"view\",\"at\":%" PRIu64 ",\"members\":[", now());
  for (size_t i = 0; i < count; i++) printf("%s\"%u\"", i ? "," : "", members[i].nodeid);
  printf("]}\n");
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
    struct iovec whole = {message, sender.length};
    if (cpg_mcast_joined(handle, sender.service, &whole, 1) != CS_OK) return;
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
    printf("{\"event\":\"error\"}\n");
    return;
  }
  if (length > LONGEST) length = LONGEST;
  sender.length = length < sizeof(struct mark) ? sizeof(struct mark) : length;
  sender.run = (uint16_t)run;
  sender.senders = (uint8_t)senders;
  sender.service = strcmp(service, "safe") == 0 ? CPG_TYPE_SAFE : CPG_TYPE_AGREED;
  sender.active = 1;
}

int main(int count, char **arguments) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  me = count > 1 ? (uint8_t)atoi(arguments[1]) : 0;
  cpg_callbacks_t callbacks = {.cpg_deliver_fn = deliver, .cpg_confchg_fn = change};
  struct cpg_name group = {.length = 5, .value = "bench"};
  int ready = 0;
  for (int i = 0; i < 300 && !ready; i++) {
    ready = cpg_initialize(&handle, &callbacks) == CS_OK;
    if (!ready) usleep(100000);
  }
  if (!ready) return fprintf(stderr, "cpg: corosync does not answer\n"), 1;
  cs_error_t joined;
  while ((joined = cpg_join(handle, &group)) == CS_ERR_TRY_AGAIN) usleep(100000);
  if (joined != CS_OK) return fprintf(stderr, "cpg: join: %d\n", joined), 1;
  int fd = -1;
  cpg_fd_get(handle, &fd);
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct pollfd waits[] = {{fd, POLLIN, 0}, {0, POLLIN, 0}, {timer, POLLIN, 0}};
  char lines[4096];
  for (;;) {
    proceed();
    // What the daemon refused is tried again after the next delivery, and at the latest in 1 ms.
    uint64_t due = !sender.active ? 0 : sender.steady ? sender.next : now() + 1000000u;
    struct itimerspec when = {.it_value = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
    if (poll(waits, 3, -1) < 0) return 1;
    if (waits[0].revents && cpg_dispatch(handle, CS_DISPATCH_ALL) != CS_OK)
      return fprintf(stderr, "cpg: corosync is gone\n"), 1;
    if (waits[1].revents) {
      ssize_t got = read(0, lines, sizeof lines - 1);
      if (got <= 0) return 0;
      lines[got] = 0;
      obey(lines);
    }
  }
}
