// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <pcap/pcap.h>

// A filter that lets nothing through: a handle that only sends must not collect what passes by.
static inline int wack_pcap_reject_all(pcap_t *_Nonnull handle) {
  struct bpf_insn nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  struct bpf_program program = {.bf_len = 1, .bf_insns = &nothing};
  return pcap_setfilter(handle, &program);
}
