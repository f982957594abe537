#include "ops/selective_state_update_choose.h"

#include "ops/choose.h"

namespace scandium {
namespace {

constexpr uint32_t kMostColumns = 64;    // of the state in a lane
constexpr uint32_t kMostLanes = 32;      // more would only lengthen the sum
constexpr uint32_t kRowsInFlight = 4;    // 16-byte loads under way in a lane
constexpr uint32_t kEnoughGroups = 512;  // workgroups that fill a large GPU

uint32_t divide_up(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

// Why the lanes of a subgroup cannot share rows, or null with `out` filled.
const char* try_subgroup(const Caps& caps, const UpdateProblem& problem, UpdateChoice* out) {
    if (problem.variant == Variant::scalar) return "ruled out by the caller";
    if (const char* why_not = why_no_subgroups(caps)) return why_not;
    const SubgroupSize subgroup = fixed_subgroup_size(caps);
    if (subgroup.size == 0) return "the subgroup size is not fixed";
    const uint32_t lanes = out->lanes < subgroup.size ? out->lanes : subgroup.size;
    if (problem.width * divide_up(problem.dstate, problem.width * lanes) > kMostColumns)
        return "a row of the state does not fit a subgroup's registers";
    out->variant = Variant::subgroup;
    out->lanes = lanes;
    out->subgroup_size = subgroup.require;
    out->local_size = subgroup.size > out->local_size ? subgroup.size : out->local_size;
    return nullptr;
}

uint64_t workgroups(const UpdateProblem& problem, const UpdateChoice& choice) {
    return problem.batch * problem.nheads * divide_up(problem.headdim, choice.local_size / choice.lanes * choice.rows);
}

void choose_rows(const Caps& caps, const UpdateProblem& problem, UpdateChoice* out) {
    out->pieces = divide_up(problem.dstate, problem.width * out->lanes);
    const uint32_t columns = problem.width * out->pieces, lane_groups = out->local_size / out->lanes;
    out->rows = kRowsInFlight;
    while (out->rows > 1 && (out->rows * columns > kMostColumns || lane_groups * out->rows / 2 >= problem.headdim)) out->rows /= 2;
    if (caps.device_type == VK_PHYSICAL_DEVICE_TYPE_CPU) return;
    while (out->rows > 1 && workgroups(problem, *out) < kEnoughGroups) out->rows /= 2;
}

}  // namespace

Result choose_selective_state_update(const Caps& caps, const Diagnostics& diagnostics, const UpdateProblem& problem, UpdateChoice* out) {
    *out = UpdateChoice();
    const uint32_t lanes = power_of_two_from(divide_up(problem.dstate, problem.width));
    out->lanes = lanes < kMostLanes ? lanes : kMostLanes;
    out->local_size = 128;
    const char* why_not = try_subgroup(caps, problem, out);
    if (problem.variant == Variant::coopmat)
        return diagnostics.fail(Result::unsupported, "selective_state_update: variant coopmat: it has no matrix product");
    if (problem.variant == Variant::subgroup && why_not)
        return diagnostics.fail(Result::unsupported, "selective_state_update: variant subgroup: %s", why_not);
    choose_rows(caps, problem, out);
    if (out->variant == Variant::scalar) out->shared_memory = 4 * out->rows * out->local_size;
    if (why_not)
        say(out->reason, "no subgroup: %s", why_not);
    else
        say(out->reason, "%u lanes of a subgroup share %u rows, %u columns at once", out->lanes, out->rows, problem.width);
    return Result::ok;
}

}  // namespace scandium
