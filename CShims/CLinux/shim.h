// SPDX-License-Identifier: Apache-2.0
//
// Linux system calls that Swift's Glibc module leaves out. The module is compiled without
// _GNU_SOURCE, so calls and structures that need it are reached through syscall(2).
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

extern const char *strerrorname_np(int);
extern const char *strerrordesc_np(int);
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);

static const uint32_t wack_epoll_in = EPOLLIN;
static const uint32_t wack_epoll_out = EPOLLOUT;
static const uint32_t wack_epoll_ended = EPOLLERR | EPOLLHUP;
static const int wack_mfd_flags = 1 | 2;  // MFD_CLOEXEC | MFD_ALLOW_SEALING
static const int wack_send_flags = MSG_DONTWAIT | MSG_NOSIGNAL;

// epoll -------------------------------------------------------------------------------------

static inline int wack_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

static inline int wack_epoll_control(int poller, int operation, int fd, uint32_t events,
                                     uint64_t data) {
  struct epoll_event event = {.events = events, .data = {.u64 = data}};
  return epoll_ctl(poller, operation, fd, &event);
}
static inline int wack_epoll_add(int poller, int fd, uint32_t events, uint64_t data) {
  return wack_epoll_control(poller, EPOLL_CTL_ADD, fd, events, data);
}
static inline int wack_epoll_modify(int poller, int fd, uint32_t events, uint64_t data) {
  return wack_epoll_control(poller, EPOLL_CTL_MOD, fd, events, data);
}
static inline int wack_epoll_remove(int poller, int fd) {
  return wack_epoll_control(poller, EPOLL_CTL_DEL, fd, 0, 0);
}
// Edge-triggered, so that the expiry need not be read off the timer.
static inline int wack_epoll_add_timer(int poller, int fd, uint64_t data) {
  return wack_epoll_control(poller, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, data);
}

// timerfd, eventfd, signalfd ----------------------------------------------------------------

static inline int wack_timer_create(void) {
  return timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
}
static inline int wack_timer_arm(int timer, int64_t seconds, int64_t nanoseconds) {
  struct itimerspec when = {.it_value = {.tv_sec = seconds, .tv_nsec = nanoseconds}};
  return timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}
static inline int wack_event_create(int nonblocking) {
  return eventfd(0, EFD_CLOEXEC | (nonblocking ? EFD_NONBLOCK : 0));
}
static inline int wack_signal_create(const sigset_t *signals) {
  return signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
}
// The next pending signal, 0 for none, or -1 with errno.
static inline int wack_signal_next(int fd) {
  struct signalfd_siginfo info;
  ssize_t count = read(fd, &info, sizeof info);
  if (count == (ssize_t)sizeof info) return (int)info.ssi_signo;
  if (count < 0 && errno != EAGAIN && errno != EINTR) return -1;
  return 0;
}

// Sockets -----------------------------------------------------------------------------------

struct wack_mmsghdr {
  struct msghdr header;
  unsigned int length;
};

struct wack_ucred {
  int32_t pid;
  uint32_t uid;
  uint32_t gid;
};

enum { wack_udp = 17, wack_udp_segment = 103, wack_udp_gro = 104, wack_control_size = 64 };

// Sends what `data` holds to one address as datagrams of `segment` bytes each; the last may be shorter.
static inline ssize_t wack_send_segments(int fd, const void *data, size_t length, uint16_t segment,
                                         const struct sockaddr *address, socklen_t size) {
  struct iovec slice = {.iov_base = (void *)data, .iov_len = length};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(uint16_t))];
  } control;
  memset(&control, 0, sizeof control);
  control.header.cmsg_level = wack_udp;
  control.header.cmsg_type = wack_udp_segment;
  control.header.cmsg_len = CMSG_LEN(sizeof segment);
  memcpy(CMSG_DATA(&control.header), &segment, sizeof segment);
  struct msghdr message = {.msg_name = (void *)address,
                           .msg_namelen = size,
                           .msg_iov = &slice,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  return sendmsg(fd, &message, wack_send_flags);
}
// The length of the datagrams that were received as one, or 0.
static inline int wack_segment_size(const struct wack_mmsghdr *message) {
  struct msghdr *header = (struct msghdr *)&message->header;
  for (struct cmsghdr *item = CMSG_FIRSTHDR(header); item; item = CMSG_NXTHDR(header, item)) {
    int size;
    if (item->cmsg_level != wack_udp || item->cmsg_type != wack_udp_gro) continue;
    if (item->cmsg_len < CMSG_LEN(sizeof size)) continue;
    memcpy(&size, CMSG_DATA(item), sizeof size);
    return size;
  }
  return 0;
}
static inline long wack_recvmmsg(int fd, struct wack_mmsghdr *messages, unsigned int count) {
  return syscall(SYS_recvmmsg, fd, messages, count, MSG_DONTWAIT, NULL);
}
static inline int wack_accept(int fd) {
  return (int)syscall(SYS_accept4, fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}
static inline int wack_socket(int family, int type, int nonblocking) {
  return socket(family, type | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0);
}
static inline int wack_peer_credentials(int fd, struct wack_ucred *credentials) {
  socklen_t size = sizeof *credentials;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, &size);
}

// Sends one byte, with a descriptor if `fd` is not negative; never waits.
static inline ssize_t wack_give_descriptor(int socket, int fd) {
  char byte = fd >= 0;
  struct iovec data = {.iov_base = &byte, .iov_len = 1};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  memset(&control, 0, sizeof control);
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  if (fd >= 0) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}
// Waits for one byte and what comes with it: `fd` is -1 without a descriptor. 0 is the end.
static inline ssize_t wack_take_descriptor(int socket, int *fd) {
  char byte;
  struct iovec data = {.iov_base = &byte, .iov_len = 1};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = &data,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  *fd = -1;
  ssize_t count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (count <= 0) return count;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN(sizeof(int)))
    memcpy(fd, CMSG_DATA(header), sizeof *fd);
  return count;
}

// Processes and files -----------------------------------------------------------------------

static inline int wack_pipe(int ends[2]) { return (int)syscall(SYS_pipe2, ends, O_CLOEXEC); }
static inline int wack_memfd(const char *name) {
  return (int)syscall(SYS_memfd_create, name, wack_mfd_flags);
}
// The size is final from here on, so a reader of the mapping can never fault.
static inline int wack_memfd_seal(int fd) {
  return fcntl(fd, 1033 /* F_ADD_SEALS */, 1 | 2 | 4 /* SEAL, SHRINK, GROW */);
}
static inline int wack_memfd_is_sealed(int fd) {
  int seals = fcntl(fd, 1034 /* F_GET_SEALS */);
  return seals >= 0 && (seals & 2);
}
static inline int wack_pidfd_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
static inline int wack_set_name(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }
static inline int wack_set_undumpable(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
