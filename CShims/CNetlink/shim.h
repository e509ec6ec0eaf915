// SPDX-License-Identifier: Apache-2.0
//
// libnl-3 and libnl-route-3: what Swift cannot reach by itself (macros, error paths in C style).
#pragma once

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/addr.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/socket.h>
#include <stdint.h>
#include <sys/socket.h>

static const int wack_message_new_link = RTM_NEWLINK;
static const int wack_message_del_link = RTM_DELLINK;
static const int wack_message_new_address = RTM_NEWADDR;
static const int wack_message_del_address = RTM_DELADDR;
static const int wack_message_new_neighbor = RTM_NEWNEIGH;
static const int wack_message_error = NLMSG_ERROR;
static const int wack_message_done = NLMSG_DONE;
static const int wack_message_overrun = NLMSG_OVERRUN;
static const int wack_flag_interrupted = NLM_F_DUMP_INTR;
static const int wack_flag_tlvs = NLM_F_ACK_TLVS;
static const int wack_flag_capped = NLM_F_CAPPED;
static const uint32_t wack_address_no_dad = IFA_F_NODAD;
static const uint32_t wack_address_no_prefix_route = IFA_F_NOPREFIXROUTE;

// The states in which a neighbour's hardware address has been confirmed at some time.
static const uint16_t wack_neighbor_known =
    NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;

static const uint16_t wack_neighbor_permanent = NUD_PERMANENT;

// One change of one address; all numbers in host order.
struct wack_address_change {
  int remove;
  int replace;
  uint32_t index;
  int family;
  const void *address;
  int prefix_length;
  const char *label;  // NULL for none
  int scope;          // below 0 for the default
  uint32_t flags;
  int finite;         // whether the lifetimes count
  uint32_t valid;
  uint32_t preferred;
};

// A request for the change, to be freed with nlmsg_free; NULL when memory is short.
static inline struct nl_msg *wack_address_message(const struct wack_address_change *change) {
  struct nl_msg *message = NULL;
  struct rtnl_addr *request = rtnl_addr_alloc();
  int width = change->family == AF_INET ? 4 : 16;
  struct nl_addr *local = nl_addr_build(change->family, change->address, width);
  int failure = !request || !local;
  if (!failure) {
    nl_addr_set_prefixlen(local, change->prefix_length);
    rtnl_addr_set_ifindex(request, (int)change->index);
    rtnl_addr_set_family(request, change->family);
    failure = rtnl_addr_set_local(request, local);
    if (!failure && change->label) failure = rtnl_addr_set_label(request, change->label);
    if (change->scope >= 0) rtnl_addr_set_scope(request, change->scope);
    if (change->flags) rtnl_addr_set_flags(request, change->flags);
    if (change->finite) {
      rtnl_addr_set_valid_lifetime(request, change->valid);
      rtnl_addr_set_preferred_lifetime(request, change->preferred);
    }
  }
  if (!failure) {
    int flags = change->replace ? NLM_F_CREATE | NLM_F_REPLACE : NLM_F_CREATE | NLM_F_EXCL;
    failure = change->remove ? rtnl_addr_build_delete_request(request, 0, &message)
                             : rtnl_addr_build_add_request(request, flags, &message);
  }
  if (local) nl_addr_put(local);
  if (request) rtnl_addr_put(request);
  return failure ? NULL : message;
}

static inline int wack_request_dump(struct nl_sock *socket, int type) {
  struct rtgenmsg request = {.rtgen_family = AF_UNSPEC};
  int kind = type == RTM_NEWLINK ? RTM_GETLINK : type == RTM_NEWADDR ? RTM_GETADDR : RTM_GETNEIGH;
  return nl_send_simple(socket, kind, NLM_F_DUMP, &request, sizeof request);
}

// Asks for error texts, and for errors that do not repeat the request.
static inline void wack_request_error_texts(struct nl_sock *socket) {
  int one = 1;
  setsockopt(nl_socket_get_fd(socket), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
  setsockopt(nl_socket_get_fd(socket), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
}

static inline int wack_size_receive_buffer(struct nl_sock *socket, int size) {
  int fd = nl_socket_get_fd(socket);
  if (!setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) return 0;
  return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

// The text the kernel gives with an error, or NULL; the header must be a whole NLMSG_ERROR.
static inline const char *wack_error_text(struct nlmsghdr *header) {
  struct nlmsgerr *error = (struct nlmsgerr *)nlmsg_data(header);
  int skipped = (int)sizeof *error;
  if (!(header->nlmsg_flags & NLM_F_ACK_TLVS)) return NULL;
  if (!(header->nlmsg_flags & NLM_F_CAPPED) && error->error) {
    if (error->msg.nlmsg_len < sizeof error->msg) return NULL;
    if (error->msg.nlmsg_len > (uint32_t)nlmsg_datalen(header)) return NULL;
    skipped += (int)(error->msg.nlmsg_len - sizeof error->msg);
  }
  if (NLMSG_ALIGN(skipped) >= nlmsg_datalen(header)) return NULL;
  struct nlattr *text = nlmsg_find_attr(header, skipped, NLMSGERR_ATTR_MSG);
  if (!text || nla_len(text) < 1) return NULL;
  const char *bytes = (const char *)nla_data(text);
  return bytes[nla_len(text) - 1] == 0 ? bytes : NULL;
}
