// The files of tests/reference as cases of ssd_scan.
#pragma once

#include "support/ssd_case.h"

namespace scandium::test {

inline constexpr const char* kReferenceNames[] = {
    "ssd_basic", "ssd_one_token", "ssd_ragged_tail", "ssd_groups",     "ssd_all_options", "ssd_packed",
    "ssd_f16",   "ssd_bf16",      "ssd_odd_sizes",   "ssd_wide_state", "ssd_long",        "ssd_strong_decay",
};
// One decoding step each: ssd_scan over a single token, from a state to a state.
inline constexpr const char* kReferenceStepNames[] = {"ssd_step_f32", "ssd_step_bf16"};

std::vector<std::string> reference_names();  // all of them

struct ReferenceCase {
    SsdCase ssd;
    SsdInputs in;
    SsdOutputs want;
};

ReferenceCase load_reference(const std::string& name);

}  // namespace scandium::test
