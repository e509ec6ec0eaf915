// SPDX-License-Identifier: Apache-2.0
//
// A member of a Corosync CPG group that sends and receives benchmark messages.
//
//   cc -O2 -o cpg cpg.c -lcpg; ./cpg POSITION     (its position among the members, from 0)

#include <corosync/cpg.h>
#include <sys/uio.h>

#include "member.h"

static cpg_handle_t handle;

static int multicast(void *bytes, size_t length, int is_safe) {
  struct iovec whole = {bytes, length};
  return cpg_mcast_joined(handle, is_safe ? CPG_TYPE_SAFE : CPG_TYPE_AGREED, &whole, 1) == CS_OK;
}

static int receive(void) { return cpg_dispatch(handle, CS_DISPATCH_ALL) == CS_OK; }

static int obey_more(const char *line) {
  (void)line;
  return 0;
}

static void deliver(cpg_handle_t h, const struct cpg_name *group, uint32_t node, uint32_t process,
                    void *bytes, size_t length) {
  (void)h, (void)group, (void)node, (void)process;
  take(bytes, length);
}

static void change(cpg_handle_t h, const struct cpg_name *group, const struct cpg_address *members,
                   size_t count, const struct cpg_address *left, size_t left_count,
                   const struct cpg_address *joined, size_t joined_count) {
  (void)h, (void)group, (void)left, (void)left_count, (void)joined, (void)joined_count;
  printf("{\"event\":\"view\",\"at\":%" PRIu64 ",\"members\":[", now());
  for (size_t i = 0; i < count; i++) printf("%s\"%u\"", i ? "," : "", members[i].nodeid);
  printf("]}\n");
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
  return serve(fd);
}
