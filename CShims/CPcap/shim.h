// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <pcap/pcap.h>

// A filter that lets nothing through: a handle that only sends must not collect what passes by.
static inline int wack_pcap_reject_all(pcap_t *_Nonnull handle) {
  struct bpf_insn nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  struct bpf_program program = {.bf_len = 1, .bf_insns = &nothing};
  return pcap_setfilter(handle, &program);
}

// Lets through what the filter expression describes; 0 or an error whose text pcap_geterr has.
static inline int wack_pcap_accept(pcap_t *_Nonnull handle, const char *_Nonnull expression) {
  struct bpf_program program;
  int result = pcap_compile(handle, &program, expression, 1, PCAP_NETMASK_UNKNOWN);
  if (result == 0) {
    result = pcap_setfilter(handle, &program);
    pcap_freecode(&program);
  }
  return result;
}

static inline int wack_pcap_is_ethernet(pcap_t *_Nonnull handle) {
  return pcap_datalink(handle) == DLT_EN10MB;
}
