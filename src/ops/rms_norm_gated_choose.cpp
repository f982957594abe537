#include "ops/rms_norm_gated_choose.h"

#include "ops/choose.h"
#include "shared/words.h"

namespace scandium {
namespace {

constexpr uint32_t kPacksOfLane = 2;     // at least two loads in flight for each operand
constexpr uint32_t kMostKept = 64;       // floats in a lane's registers
constexpr uint32_t kFewestLanes = 32;    // that a group of more elements than this many packs is shared by
constexpr uint32_t kUsualGroup = 128;    // invocations of a workgroup, where a group of elements needs no more
constexpr uint32_t kMostSubgroups = 32;  // in a workgroup: more are not promised where their size is required

uint32_t power_of_two_up_to(uint32_t value) {
    uint32_t power = 1;
    while (power * 2 <= value) power *= 2;
    return power;
}

// Invocations that a workgroup may have.
uint32_t largest_group(const Caps& caps, uint32_t subgroup_size) {
    uint32_t most = caps.max_invocations < caps.max_workgroup_size_x ? caps.max_invocations : caps.max_workgroup_size_x;
    if (most > 1024) most = 1024;
    if (subgroup_size != 0 && most > kMostSubgroups * subgroup_size) most = kMostSubgroups * subgroup_size;
    return power_of_two_up_to(most);
}

// Lanes, packs and workgroup for teams that may have up to `most` lanes; workgroups are at least `least`.
void choose_tiling(const NormProblem& problem, uint32_t least, uint32_t most, NormChoice* out) {
    out->pack = problem.x == DType::f32 ? 4 : 8;
    const uint32_t packs = (problem.group_size + out->pack - 1) / out->pack, groups = problem.dim / problem.group_size;
    const uint32_t wanted = power_of_two_from((packs + kPacksOfLane - 1) / kPacksOfLane);
    const auto steps_of = [packs](uint32_t lanes) { return (packs + lanes - 1) / lanes; };
    const auto keeps = [&](uint32_t lanes) { return steps_of(lanes) * out->pack * (problem.has_gate ? 2 : 1) <= kMostKept; };
    out->lanes = wanted < most ? wanted : most;
    // Fewer lanes where more of them would have nothing to do in the last step.
    for (uint32_t lanes = out->lanes / 2; lanes >= kFewestLanes && keeps(lanes); lanes /= 2)
        if (steps_of(lanes) * lanes < steps_of(out->lanes) * out->lanes) out->lanes = lanes;
    out->steps = steps_of(out->lanes);
    out->keep = keeps(out->lanes);
    // As many teams as fill a usual workgroup, but no more than there are groups of elements.
    const uint64_t teams_wanted = problem.rows * groups;
    uint32_t local = kUsualGroup < most ? kUsualGroup : most;
    while (local > least && local / 2 >= out->lanes * teams_wanted) local /= 2;
    out->local_size = local > out->lanes ? local : out->lanes;
    const uint32_t teams = out->local_size / out->lanes;
    out->across = 1;
    while (out->across * 2 <= teams && groups % (out->across * 2) == 0) out->across *= 2;
    out->rows = teams / out->across;
}

// Whether the device is a CPU of the kind that rms_norm_gated_words is written for; `out` is then filled.
bool try_words(const Caps& caps, const NormProblem& problem, NormChoice* out) {
    const SubgroupSize subgroup = words_subgroup(caps);
    const uint32_t words = problem.x == DType::f32 ? problem.group_size : problem.group_size / 2;
    if (problem.variant != Variant::automatic || !subgroup.size || !problem.words_by_address || words < WORDS_DEPTH * subgroup.size)
        return false;
    out->kernel = Kernel::rms_norm_gated_words;
    out->variant = Variant::subgroup;
    out->local_size = subgroup.size;
    out->subgroup_size = subgroup.require;
    say(out->reason, "a CPU: words side by side in the %u lanes of a subgroup", subgroup.size);
    return true;
}

}  // namespace

Result choose_rms_norm_gated(const Caps& caps, const Diagnostics& diagnostics, const NormProblem& problem, NormChoice* out) {
    if (try_words(caps, problem, out)) return Result::ok;
    const SubgroupSize subgroup = fixed_subgroup_size(caps);
    const char* why_not = problem.variant == Variant::scalar ? "ruled out by the caller" : why_no_subgroups(caps);
    if (!why_not && subgroup.size == 0) why_not = "the subgroup size is not fixed";
    if (!why_not && largest_group(caps, subgroup.size) < subgroup.size) why_not = "a subgroup exceeds a workgroup";
    if (why_not && problem.variant == Variant::subgroup)
        return diagnostics.fail(Result::unsupported, "rms_norm_gated: variant subgroup: %s", why_not);
    if (why_not) {
        choose_tiling(problem, 32, largest_group(caps, 0), out);
        say(out->reason, "no subgroup: %s; %u lanes share a group", why_not, out->lanes);
        return Result::ok;
    }
    out->variant = Variant::subgroup;
    out->subgroup_size = subgroup.require;
    choose_tiling(problem, subgroup.size, largest_group(caps, subgroup.size), out);
    say(out->reason, "%u lanes share a group, in subgroups of %u", out->lanes, subgroup.size);
    return Result::ok;
}

}  // namespace scandium
