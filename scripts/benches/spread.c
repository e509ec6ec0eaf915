// SPDX-License-Identifier: Apache-2.0
//
// A client of a Spread 4 daemon that sends and receives benchmark messages: the bytes of the protocol and nothing of
// this project's, one system call for each message sent, as the C library does it.
//
//   cc -O2 -o spread spread.c; ./spread POSITION SOCKET     (its position among the members, from 0)
//
// Besides the commands of all members:
//   crowd COUNT GROUPS    opens so many further sessions, each a member of one of so many groups of the crowd
//   spray RUN LENGTH COUNT    sends so many messages to the first group of the crowd, waiting for each to have
//                         reached all of its members

#include <errno.h>
#include <sys/socket.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "member.h"

enum { JOIN = 0x10000, AGREED = 0x10, SAFE = 0x20, REGULAR = 0x3f, MEMBERSHIP = 0x1000, NAME = 32 };
#define MARKS 0x80000080u
#define GROUP "bench"

struct header {
  uint32_t type;
  char name[NAME];
  int32_t groups;
  uint32_t hint;
  int32_t length;
};
_Static_assert(sizeof(struct header) == 48, "the header of a message");

static const char *place;
static int connection = -1;
static char private_name[NAME];
static char unsent[sizeof(struct header) + NAME + LONGEST];
static size_t unsent_length, unsent_from;
static char input[2 * LONGEST];
static size_t input_length;

static void fail(const char *what) {
  fprintf(stderr, "spread: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void whole(int fd, void *bytes, size_t length) {
  for (size_t got = 0; got < length;) {
    ssize_t count = read(fd, (char *)bytes + got, length - got);
    if (count <= 0) fail("the daemon ended the handshake");
    got += (size_t)count;
  }
}

// Opens a session; its private name goes to `name`.
static int open_session(char name[NAME], int wants_membership) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", place);
  int fd = -1;
  for (int i = 0; i < 300; i++) {
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) break;
    close(fd);
    fd = -1;
    usleep(100000);
  }
  if (fd < 0) fail(place);
  int room = 200 << 10;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  unsigned char hello[] = {4, 4, 0, (unsigned char)wants_membership, 0}, length, list[256];
  if (write(fd, hello, sizeof hello) != sizeof hello) fail("connect");
  whole(fd, &length, 1);
  if (length >= 128) fail("the daemon refuses the session");
  whole(fd, list, length);
  char choice[90] = "NULL";
  if (write(fd, choice, sizeof choice) != sizeof choice) fail("choose");
  unsigned char accepted[5];
  whole(fd, accepted, 1);
  if (accepted[0] != 1) fail("the daemon refuses the session");
  whole(fd, accepted + 1, 4);
  memset(name, 0, NAME);
  if (accepted[4] >= NAME) fail("a name that is too long");
  whole(fd, name, accepted[4]);
  return fd;
}

static struct header header(uint32_t type, const char *name, size_t length) {
  struct header header = {.type = type | MARKS, .groups = 1, .hint = MARKS, .length = (int32_t)length};
  memcpy(header.name, name, NAME);
  return header;
}

static void join(int fd, const char *name, const char *group) {
  struct {
    struct header header;
    char group[NAME];
  } message = {.header = header(JOIN, name, 0)};
  snprintf(message.group, NAME, "%s", group);
  if (write(fd, &message, sizeof message) != sizeof message) fail("join");
}

// Sends what of a message the kernel did not take; 0 if it takes no more.
static int flush_rest(void) {
  while (unsent_from < unsent_length) {
    ssize_t count = send(connection, unsent + unsent_from, unsent_length - unsent_from, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (count < 0) fail("send");
    unsent_from += (size_t)count;
  }
  is_full = 0;
  return 1;
}

static int multicast_to(const char *group, void *bytes, size_t length, int is_safe) {
  if (!flush_rest()) return 0;
  struct header head = header(is_safe ? SAFE : AGREED, private_name, length);
  char name[NAME] = {0};
  snprintf(name, NAME, "%s", group);
  struct iovec parts[] = {{&head, sizeof head}, {name, NAME}, {bytes, length}};
  struct msghdr whole_message = {.msg_iov = parts, .msg_iovlen = 3};
  size_t total = sizeof head + NAME + length;
  ssize_t count = sendmsg(connection, &whole_message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
    is_full = 1;
    return 0;
  }
  if (count < 0) fail("send");
  if ((size_t)count < total) {
    memcpy(unsent, &head, sizeof head);
    memcpy(unsent + sizeof head, name, NAME);
    memcpy(unsent + sizeof head + NAME, bytes, length);
    unsent_from = (size_t)count;
    unsent_length = total;
    is_full = 1;
  }
  return 1;
}

static int multicast(void *bytes, size_t length, int is_safe) {
  return multicast_to(GROUP, bytes, length, is_safe);
}

static void say_view(const struct header *head, const char *groups) {
  printf("{\"event\":\"view\",\"at\":%" PRIu64 ",\"members\":[", now());
  for (int i = 0; i < head->groups; i++) printf("%s\"%.32s\"", i ? "," : "", groups + i * NAME);
  printf("]}\n");
}

static int receive(void) {
  if (is_full) flush_rest();
  ssize_t count = recv(connection, input + input_length, sizeof input - input_length, MSG_DONTWAIT);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (count == 0) return 0;
  input_length += (size_t)count;
  size_t from = 0;
  struct header head;
  while (input_length - from >= sizeof head) {
    memcpy(&head, input + from, sizeof head);
    size_t names = (size_t)head.groups * NAME, total = sizeof head + names + (size_t)head.length;
    if (head.groups < 0 || head.length < 0 || total > sizeof input) fail("a message that is none");
    if (input_length - from < total) break;
    const char *body = input + from + sizeof head;
    if (head.type & MEMBERSHIP)
      say_view(&head, body);
    else if (head.type & REGULAR)
      take(body + names, (size_t)head.length);
    from += total;
  }
  memmove(input, input + from, input_length - from);
  input_length -= from;
  return 1;
}

// The crowd -----------------------------------------------------------------------------------

static int *crowd;
static unsigned crowd_count;
static int crowd_events = -1;

static void gather(unsigned count, unsigned groups) {
  crowd = calloc(count, sizeof *crowd);
  crowd_events = epoll_create1(EPOLL_CLOEXEC);
  if (!crowd || crowd_events < 0) fail("crowd");
  uint64_t begun = now();
  for (crowd_count = 0; crowd_count < count; crowd_count++) {
    char name[NAME], group[NAME];
    int fd = crowd[crowd_count] = open_session(name, 0);
    snprintf(group, NAME, "crowd-%u", crowd_count % groups);
    join(fd, name, group);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(crowd_events, EPOLL_CTL_ADD, fd, &event) != 0) fail("crowd");
  }
  printf("{\"event\":\"crowd\",\"sessions\":%u,\"nanoseconds\":%" PRIu64 "}\n", crowd_count, now() - begun);
}

// Each message is on its way alone, so that the figure is what reaching all of the crowd takes.
static void spray(unsigned run, size_t length, unsigned count) {
  static char bytes[1 << 16], rest[1 << 16];
  size_t each = sizeof(struct header) + NAME + length;
  uint64_t begun = now();
  for (unsigned i = 0; i < count; i++) {
    uint64_t sent = now();
    if (!multicast_to("crowd-0", bytes, length, 0)) fail("spray");
    for (size_t missing = each * crowd_count; missing > 0;) {
      struct epoll_event events[256];
      int ready = epoll_wait(crowd_events, events, 256, 10000);
      if (ready <= 0) fail("the crowd does not get it");
      for (int e = 0; e < ready; e++) {
        ssize_t got = read(events[e].data.fd, rest, sizeof rest);
        if (got <= 0) fail("the crowd is thrown out");
        missing -= (size_t)got;
      }
    }
    delays[i] = now() - sent;
  }
  uint64_t spent = now() - begun;
  receiver.samples = count;
  qsort(delays, count, sizeof delays[0], ascending);
  printf("{\"event\":\"sprayed\",\"run\":%u,\"nanoseconds\":%" PRIu64 ",\"median\":%" PRIu64 ",\"p99\":%" PRIu64 "}\n",
         run, spent, quantile(0.5), quantile(0.99));
}

static int obey_more(const char *line) {
  unsigned a, b, c;
  if (sscanf(line, "crowd %u %u", &a, &b) == 2 && a > 0 && b > 0 && !crowd)
    gather(a, b);
  else if (sscanf(line, "spray %u %u %u", &a, &b, &c) == 3 && crowd && b <= 1 << 16 && c > 0 && c <= SAMPLES)
    spray(a, b, c);
  else
    return 0;
  return 1;
}

int main(int count, char **arguments) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (count != 3) return fprintf(stderr, "usage: spread POSITION SOCKET\n"), 2;
  me = (uint8_t)atoi(arguments[1]);
  place = arguments[2];
  connection = open_session(private_name, 1);
  join(connection, private_name, GROUP);
  return serve(connection);
}
