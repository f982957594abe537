#include "ops/elementwise_choose.h"

#include "ops/choose.h"
#include "shared/words.h"

namespace scandium {
namespace {

constexpr uint64_t kMostSpan = 4096;  // words of a workgroup: enough for what it costs to begin one, few enough to share out

uint64_t count_of(uint64_t size, uint64_t part) { return (size + part - 1) / part; }

// Workgroups beyond what one axis of the grid holds go on in the next one.
void fold(uint64_t groups, uint32_t most, uint32_t* first, uint32_t* second) {
    const uint64_t across = groups < most ? groups : most;
    *first = uint32_t(across);
    *second = uint32_t(count_of(groups, across));
}

// Whether the device is a CPU of the kind that elementwise_words is written for; `out` is then filled.
bool try_words(const Caps& caps, const ElementwiseProblem& problem, ElementwiseChoice* out) {
    const SubgroupSize subgroup = words_subgroup(caps);
    const uint64_t words = problem.row * problem.element / 4;
    if (!subgroup.size || !problem.words_by_address || words < WORDS_DEPTH * subgroup.size) return false;
    if (count_of(words, kMostSpan) > caps.max_workgroups[0]) return false;
    out->kernel = Kernel::elementwise_words;
    out->variant = Variant::subgroup;
    out->local_size = subgroup.size;
    out->subgroup_size = subgroup.require;
    out->span = uint32_t(words < kMostSpan ? words : kMostSpan);
    out->groups[0] = uint32_t(count_of(words, out->span));
    fold(problem.rows, caps.max_workgroups[1], &out->groups[1], &out->groups[2]);
    say(out->reason, "a CPU: words side by side in the %u lanes of a subgroup", subgroup.size);
    return true;
}

}  // namespace

ElementwiseChoice choose_elementwise(const Caps& caps, const ElementwiseProblem& problem) {
    ElementwiseChoice out;
    if (try_words(caps, problem, &out)) return out;
    out.local_size = caps.max_invocations >= 256 && caps.max_workgroup_size_x >= 256 ? 256 : 128;
    out.pack = problem.halves ? 8 : 4;
    // A large GPU hides its memory's latency behind several loads of a lane; a small one has few registers for them.
    out.packs_of_lane = caps.device_type == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU ? 4 : 1;
    fold(count_of(count_of(problem.row, out.pack) * problem.rows, uint64_t(out.local_size) * out.packs_of_lane), caps.max_workgroups[0],
         &out.groups[0], &out.groups[1]);
    say(out.reason, "scalar: %u elements at once", out.pack);
    return out;
}

}  // namespace scandium
