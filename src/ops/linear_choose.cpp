#include "ops/linear_choose.h"

#include "ops/choose.h"
#include "shared/linear.h"

namespace scandium {
namespace {

constexpr uint32_t kFewRows = 8;            // up to which the weights' way from memory is what counts
constexpr uint32_t kBusyWorkgroups = 128;   // that keep a large device busy
constexpr uint32_t kBusyLanes = 64 * 1024;  // the same, where all a lane does is load
constexpr uint32_t kUsualGroup = 128;       // invocations that every device has
constexpr uint32_t kMostLanesOfTeam = 256;
constexpr uint32_t kUsualOuts = 2, kUsualDepth = 2;  // that the lanes of a team are counted by
constexpr uint32_t kWordsLanes = 8;                  // as linear_words has it

uint64_t count_of(uint64_t size, uint64_t part) { return (size + part - 1) / part; }

// ---- matrices -------------------------------------------------------------------------------------------------------

struct Tiling {
    uint32_t subs_m, subs_n, mats_m, mats_n;
};
// Largest first: a larger tile reads less from memory and from shared memory for each product. 4 x 4 accumulators need as many
// registers as only devices have whose matrices are 16 x 16. No larger workgroup: two of four subgroups hide each other's
// barriers, which one of eight has to wait for.
constexpr Tiling kTilings[] = {
    {2, 2, 4, 4},
    {2, 2, 2, 2},
    {1, 4, 2, 1},
};
constexpr uint32_t kTileK = 32;

// Bytes of linear_matrices' `tiles`: the operands of a step, or a band of results of each subgroup.
uint32_t shared_memory_of(const Tiling& t, const CooperativeMatrixShape& shape) {
    const uint32_t operands = (t.subs_m * t.mats_m * shape.m + t.subs_n * t.mats_n * shape.n) * (kTileK / 8 + 1);
    const uint32_t bands = t.subs_m * t.subs_n * shape.m * (t.mats_n * shape.n / 8 * 2 + 1);
    return 16 * (operands > bands ? operands : bands);
}

bool fits(const Caps& caps, const Tiling& t, const CooperativeMatrixShape& shape, uint32_t subgroup_size) {
    const uint32_t invocations = t.subs_m * t.subs_n * subgroup_size;
    if (t.mats_m * t.mats_n > 4 && (shape.m < 16 || shape.n < 16)) return false;
    return invocations <= caps.max_invocations && invocations <= caps.max_workgroup_size_x &&
           shared_memory_of(t, shape) <= caps.shared_memory;
}

// The largest tiling that leaves no part of the device idle, or the smallest that fits; null if none does.
const Tiling* choose_tiling(const Caps& caps, const LinearProblem& problem, const CooperativeMatrixShape& shape, uint32_t subgroup_size) {
    const Tiling* chosen = nullptr;
    for (const Tiling& t : kTilings) {
        if (!fits(caps, t, shape, subgroup_size)) continue;
        chosen = &t;
        const uint64_t down = count_of(problem.rows, t.subs_m * t.mats_m * shape.m);
        const uint64_t across = count_of(problem.out_features, t.subs_n * t.mats_n * shape.n);
        if (down * across * problem.batch >= kBusyWorkgroups) break;
    }
    return chosen;
}

// Why cooperative matrices cannot be used, or null with `out` filled.
const char* try_matrices(const Caps& caps, const LinearProblem& problem, LinearChoice* out) {
    const DType type = problem.x;
    Flavour flavour = Flavour::scalar;
    if (const char* why_not = why_no_matrices(caps, type, Kernel::linear_matrices, &flavour)) return why_not;
    CooperativeMatrixShape shape;
    const bool found = find_largest_shape(caps, type, &shape, [](const CooperativeMatrixShape& s) {
        return s.m <= 16 && s.n <= 16 && s.n % 8 == 0 && s.k % 8 == 0 && kTileK % s.k == 0;
    });
    if (!found) return "no row of the device's matrix shapes takes this dtype and gives f32";
    const SubgroupSize subgroup = fixed_subgroup_size(caps);
    if (subgroup.size == 0) return "the subgroup size is not fixed";
    const Tiling* t = choose_tiling(caps, problem, shape, subgroup.size);
    if (!t) return "four subgroups or their tiles exceed a workgroup";
    out->kernel = Kernel::linear_matrices;
    out->variant = Variant::coopmat;
    out->flavour = flavour;
    out->shape = shape;
    out->subgroup_size = subgroup.require;
    out->local_size = t->subs_m * t->subs_n * subgroup.size;
    out->subs_m = t->subs_m;
    out->subs_n = t->subs_n;
    out->mats_m = t->mats_m;
    out->mats_n = t->mats_n;
    out->tile_k = kTileK;
    out->tile_rows = t->subs_m * t->mats_m * shape.m;
    out->tile_outs = t->subs_n * t->mats_n * shape.n;
    out->shared_memory = shared_memory_of(*t, shape);
    say(out->reason, "%ux%ux%u %s cooperative matrices, tiles of %u x %u", shape.m, shape.n, shape.k, to_string(type), out->tile_rows,
        out->tile_outs);
    return nullptr;
}

// ---- tiles of f32 ---------------------------------------------------------------------------------------------------

void choose_tiles(const LinearProblem& problem, const char* why_not_matrices, LinearChoice* out) {
    out->kernel = Kernel::linear_tiles;
    out->variant = Variant::scalar;
    out->flavour = Flavour::scalar;
    out->local_size = kUsualGroup;
    const bool tall = problem.rows > 32;
    out->lane_rows = tall ? 4 : 2;
    out->lane_cols = problem.out_features > 32 ? 8 : 4;
    out->tile_rows = kUsualGroup / LINEAR_LANES_ACROSS * out->lane_rows;
    out->tile_outs = LINEAR_LANES_ACROSS * out->lane_cols;
    const uint32_t operands = (out->tile_rows + out->tile_outs) * (LINEAR_TILE_K + 4), results = out->tile_rows * out->tile_outs;
    out->shared_memory = 4 * (operands > results ? operands : results);
    say(out->reason, "no coopmat: %s; tiles of %u x %u", why_not_matrices, out->tile_rows, out->tile_outs);
}

// ---- few rows -------------------------------------------------------------------------------------------------------

// Teams that fill the device: lanes to a row of the weight, as far as each still has loads to make. Their number, and so the order in
// which a result is summed, does not depend on the rows of x: a row has the same bits alone and beside others.
void choose_team(const LinearProblem& problem, uint32_t least_lanes, uint32_t most_lanes, LinearChoice* out) {
    const uint32_t unit = problem.format == WeightFormat::q4 ? 32 : problem.format == WeightFormat::q8 ? 16 : 8;
    out->rows = uint32_t(problem.rows);
    const bool dense = problem.format == WeightFormat::dense;
    out->outs = problem.format == WeightFormat::q4 && out->rows <= 4 ? 4 : dense && out->rows == 1 ? 1 : 2;
    out->depth = dense && out->rows == 1 ? 4 : 2;
    const uint64_t units = count_of(problem.in_features, unit), teams = count_of(problem.out_features, kUsualOuts) * problem.batch;
    out->lanes = least_lanes;
    while (out->lanes * 2 <= most_lanes && teams * out->lanes < kBusyLanes && out->lanes * 2 * kUsualDepth <= units) out->lanes *= 2;
    out->local_size = out->lanes > kUsualGroup ? out->lanes : kUsualGroup;
    while (out->local_size > least_lanes && out->local_size > most_lanes) out->local_size /= 2;
    const uint32_t teams_of_group = out->local_size / out->lanes;
    out->tile_rows = out->rows;
    out->tile_outs = teams_of_group * out->outs;
}

Result choose_few(const Caps& caps, const Diagnostics& diagnostics, const LinearProblem& problem, LinearChoice* out) {
    out->kernel = Kernel::linear_few;
    const SubgroupSize subgroup = fixed_subgroup_size(caps);
    const char* why_not = problem.variant == Variant::scalar ? "ruled out by the caller" : why_no_subgroups(caps);
    if (!why_not && subgroup.size == 0) why_not = "the subgroup size is not fixed";
    const uint32_t most = caps.max_invocations < caps.max_workgroup_size_x ? caps.max_invocations : caps.max_workgroup_size_x;
    const uint32_t most_lanes = most < kMostLanesOfTeam ? kUsualGroup : kMostLanesOfTeam;
    if (!why_not && most_lanes < subgroup.size) why_not = "a subgroup exceeds a workgroup";
    if (why_not && problem.variant == Variant::subgroup)
        return diagnostics.fail(Result::unsupported, "linear: variant subgroup: %s", why_not);
    const uint32_t values_of_lane = 4;  // bytes that a lane's part of a sum takes in shared memory
    if (why_not) {
        choose_team(problem, 32, kUsualGroup, out);
        out->shared_memory = values_of_lane * out->local_size * out->rows * out->outs;
        say(out->reason, "no subgroup: %s; %u lanes share %u rows of the weight", why_not, out->lanes, out->outs);
        return Result::ok;
    }
    out->variant = Variant::subgroup;
    out->flavour = Flavour::subgroup;
    out->subgroup_size = subgroup.require;
    choose_team(problem, subgroup.size, most_lanes, out);
    out->shared_memory = values_of_lane * out->local_size / subgroup.size * out->rows * out->outs;
    say(out->reason, "%u lanes, in subgroups of %u, share %u rows of the weight", out->lanes, subgroup.size, out->outs);
    return Result::ok;
}

// ---- CPUs -----------------------------------------------------------------------------------------------------------

// Whether the device is a CPU of the kind that linear_words is written for; `out` is then filled.
bool try_words(const Caps& caps, const LinearProblem& problem, LinearChoice* out) {
    if (problem.variant != Variant::automatic || caps.device_type != VK_PHYSICAL_DEVICE_TYPE_CPU) return false;
    const SubgroupSize subgroup = fixed_subgroup_size(caps);
    if (why_no_subgroups(caps) || subgroup.size != kWordsLanes || !problem.words_by_address) return false;
    out->kernel = Kernel::linear_words;
    out->variant = Variant::subgroup;
    out->flavour = Flavour::subgroup;
    out->subgroup_size = subgroup.require;
    out->local_size = kWordsLanes;
    // 16 sums fill half of the registers; a single row of x has more rows of the weight to itself. Integers have more still: their
    // loads of x are the dear ones.
    const bool dense = problem.format == WeightFormat::dense;
    out->rows = problem.rows < 4 ? uint32_t(problem.rows) : 4;
    out->outs = out->rows > 1 ? 4 : dense ? 8 : 16;
    out->depth = dense ? 4 : 1;
    out->tile_rows = out->rows;
    out->tile_outs = out->outs;
    say(out->reason, "a CPU: words of a row side by side in the %u lanes of a subgroup, %u x %u results", kWordsLanes, out->rows,
        out->outs);
    return true;
}

}  // namespace

Result choose_linear(const Caps& caps, const Diagnostics& diagnostics, const LinearProblem& problem, LinearChoice* out) {
    *out = LinearChoice();
    if (try_words(caps, problem, out)) return Result::ok;
    if (problem.rows <= kFewRows && problem.variant != Variant::coopmat) return choose_few(caps, diagnostics, problem, out);
    if (problem.variant == Variant::scalar || problem.variant == Variant::subgroup) {
        const char* why_not = problem.variant == Variant::subgroup ? why_no_subgroups(caps) : nullptr;
        if (why_not) return diagnostics.fail(Result::unsupported, "linear: variant subgroup: %s", why_not);
        choose_tiles(problem, "ruled out by the caller", out);
        return Result::ok;
    }
    const char* why_not = try_matrices(caps, problem, out);
    if (!why_not) return Result::ok;
    if (problem.variant == Variant::coopmat) return diagnostics.fail(Result::unsupported, "linear: variant coopmat: %s", why_not);
    choose_tiles(problem, why_not, out);
    return Result::ok;
}

}  // namespace scandium
