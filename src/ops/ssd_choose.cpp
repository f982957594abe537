#include "ops/ssd_choose.h"

#include "ops/choose.h"

#include "shared/ssd.h"
#include "shared/ssd_fused.h"

namespace scandium {
namespace {

// ---- the products ---------------------------------------------------------------------------

// Why cooperative matrices cannot be used, or null with `out` filled.
const char* try_coopmat(const Caps& caps, const SsdProblem& problem, ProductChoice* out) {
    const DType type = problem.x;
    if (type != DType::f32 && (problem.B != type || problem.C != type)) return "x, B and C differ in dtype";
    if (const char* why_not = why_no_matrices(caps, type, Kernel::ssd_chunk_scan, &out->flavour)) return why_not;
    const bool found = find_largest_shape(
        caps, type, &out->shape, [](const CooperativeMatrixShape& s) { return s.m <= 16 && s.n <= 16 && COOPMAT_TILE_K % s.k == 0; });
    if (!found) return "no row of the device's matrix shapes takes this dtype and gives f32";
    const SubgroupSize subgroup = fixed_subgroup_size(caps);
    if (subgroup.size == 0) return "the subgroup size is not fixed";
    out->local_size = 4 * subgroup.size;
    out->subgroup_size = subgroup.require;
    if (out->local_size > caps.max_invocations || out->local_size > caps.max_workgroup_size_x) return "four subgroups exceed a workgroup";
    out->tile_m = 4 * out->shape.m;
    out->tile_n = 4 * out->shape.n;
    out->tile_k = COOPMAT_TILE_K;
    const uint32_t wider = out->tile_m > out->tile_n ? out->tile_m : out->tile_n;
    out->shared_memory = 4 * ((out->tile_m + out->tile_n + wider) * COOPMAT_PITCH + out->tile_m + 4 * out->shape.m * out->shape.n + 1);
    const uint32_t most_of_stage = 3 * 4 * 256;  // chunk_scan's, for the largest chunk
    if (out->shared_memory + most_of_stage > caps.shared_memory) return "the tiles exceed shared memory";
    return nullptr;
}

void choose_scalar_product(const Caps& caps, const SsdProblem& problem, const char* why_not_coopmat, ProductChoice* out) {
    *out = ProductChoice();
    // 64 x 64 needs 256 invocations and pays where the operands fill it.
    const bool wide = caps.max_invocations >= 256 && caps.max_workgroup_size_x >= 256 && problem.headdim >= 64 && problem.dstate >= 64 &&
                      caps.device_type != VK_PHYSICAL_DEVICE_TYPE_CPU;
    out->tile_m = out->tile_n = wide ? 64 : 32;
    out->local_size = out->tile_m * out->tile_n / 16;
    out->shared_memory = 4 * out->tile_k * (out->tile_m + out->tile_n);
    say(out->reason, "no coopmat: %s", why_not_coopmat);
}

Result choose_product(const Caps& caps, const Diagnostics& diagnostics, const SsdProblem& problem, ProductChoice* out) {
    if (problem.variant == Variant::scalar || problem.variant == Variant::subgroup) {
        choose_scalar_product(caps, problem, "ruled out by the caller", out);
        return Result::ok;
    }
    const char* why_not = try_coopmat(caps, problem, out);
    if (!why_not) {
        out->variant = Variant::coopmat;
        say(out->reason, "%ux%ux%u %s cooperative matrices", out->shape.m, out->shape.n, out->shape.k, to_string(problem.x));
        return Result::ok;
    }
    if (problem.variant == Variant::coopmat) return diagnostics.fail(Result::unsupported, "ssd_scan: variant coopmat: %s", why_not);
    choose_scalar_product(caps, problem, why_not, out);
    return Result::ok;
}

// ---- the sum over a chunk and the recurrence ----------------------------------------------------

void choose_cumsum(const Caps& caps, Variant wanted, CumsumChoice* out) {
    const char* why_not = wanted == Variant::scalar ? "ruled out by the caller" : why_no_subgroups(caps);
    if (why_not) {
        say(out->reason, "no subgroup: %s", why_not);
        return;
    }
    const SubgroupSize subgroup = fixed_subgroup_size(caps);
    out->variant = Variant::subgroup;
    out->subgroup_size = subgroup.require;
    out->local_size = caps.max_subgroup_size > 64 ? caps.max_subgroup_size : 64;
    if (subgroup.size)
        say(out->reason, "subgroups of %u lanes", subgroup.size);
    else
        say(out->reason, "subgroups of %u to %u lanes", caps.min_subgroup_size, caps.max_subgroup_size);
}

constexpr uint32_t kColumns = 16;  // columns a lane: with two rows 32 registers of state
constexpr uint32_t kMostColumns = 64;

// Whether the recurrence goes a few tokens at a time, with a row of the state in a lane: where loads that are the same for all
// lanes are cheap and registers are memory. A row past 256 columns is more code than is worth compiling.
bool is_tiled(const Caps& caps, const SsdProblem& problem) {
    return caps.device_type == VK_PHYSICAL_DEVICE_TYPE_CPU && problem.variant == Variant::automatic && problem.dstate <= 256;
}

void choose_tiled(const Caps& caps, RecurrentChoice* out) {
    out->tiled = true;
    out->local_size = caps.max_subgroup_size;  // one: they need nothing of each other
    say(out->reason, "%d tokens at a time: a CPU reads once what lanes share", SSD_TILE);
}

void choose_recurrent(const Caps& caps, const SsdProblem& problem, RecurrentChoice* out) {
    if (is_tiled(caps, problem)) return choose_tiled(caps, out);
    out->local_size = 64;
    out->lanes = power_of_two_from((problem.dstate + kColumns - 1) / kColumns);
    out->rows = problem.headdim > 1 ? 2 : 1;
    const SubgroupSize subgroup = fixed_subgroup_size(caps);
    const char* why_not = problem.variant == Variant::scalar ? "ruled out by the caller" : why_no_subgroups(caps);
    if (!why_not && subgroup.size == 0) why_not = "the subgroup size is not fixed";
    if (!why_not) {
        const uint32_t lanes = out->lanes < subgroup.size ? out->lanes : subgroup.size;
        const uint32_t columns = (problem.dstate + lanes - 1) / lanes;
        if (columns > kMostColumns) {
            why_not = "a row of the state does not fit a subgroup's registers";
        } else {
            out->lanes = lanes;
            out->variant = Variant::subgroup;
            out->subgroup_size = subgroup.require;
            out->local_size = subgroup.size > 64 ? subgroup.size : 64;
        }
    }
    out->columns = (problem.dstate + out->lanes - 1) / out->lanes;
    constexpr uint32_t kBlock = SSD_RECURRENT_BLOCK;
    out->shared_memory = 4 * 3 * kBlock + (out->variant == Variant::scalar ? 4 * kBlock * out->local_size * out->rows : 0);
    if (why_not)
        say(out->reason, "no subgroup: %s", why_not);
    else
        say(out->reason, "%u lanes of a subgroup share %u rows", out->lanes, out->rows);
}

// ---- the algorithm ------------------------------------------------------------------------------

// Why the chunked algorithm cannot run this problem, or null.
const char* why_not_chunked(const SsdProblem& problem) {
    if (problem.packing == Packing::seq_idx && problem.sequences == 0) return "max_sequences is not given with seq_idx";
    return nullptr;
}

// The fused form where it can run, else the staged one.
void choose_with_matrices(SsdChoice* out, const char* why) {
    const char* why_not = out->fused.why_not ? out->fused.why_not : out->fused.why_not_chosen;
    out->algorithm = why_not ? SsdAlgorithm::chunked : SsdAlgorithm::fused;
    if (why_not)
        say(out->reason, "chunked: %s; not fused: %s", why, why_not);
    else
        say(out->reason, "fused: %s", why);
}

void choose_automatically(const Caps& caps, const SsdProblem& problem, SsdChoice* out) {
    const uint64_t rows = problem.batch * problem.nheads * problem.headdim;
    const uint64_t lanes = rows / out->recurrent.rows * out->recurrent.lanes;
    out->algorithm = SsdAlgorithm::recurrent;
    if (const char* why_not = why_not_chunked(problem))
        say(out->reason, "recurrent: %s", why_not);
    else if (problem.seqlen < 64)
        say(out->reason, "recurrent: fewer than 64 tokens");
    else if (caps.device_type == VK_PHYSICAL_DEVICE_TYPE_CPU)
        say(out->reason, "recurrent: a CPU gains nothing from chunks");
    else if (out->product.variant == Variant::coopmat) {
        choose_with_matrices(out, "matrix units do its products");
    } else if (lanes < 16384 && problem.seqlen >= 512 && caps.device_type == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU) {
        out->algorithm = SsdAlgorithm::chunked;
        say(out->reason, "chunked: %llu lanes of recurrence leave a discrete GPU idle", static_cast<unsigned long long>(lanes));
    } else
        say(out->reason, "recurrent: without matrix units chunks save no work");
}

uint32_t choose_chunk_size(const SsdProblem& problem, const ProductChoice& product) {
    if (problem.chunk_size != 0) return problem.chunk_size;
    const uint32_t preferred = product.variant == Variant::coopmat ? 128 : 64;
    const uint64_t whole = (problem.seqlen + 15) / 16 * 16;
    return whole < preferred ? uint32_t(whole) : preferred;
}

}  // namespace

Result choose_ssd_scan(const Caps& caps, const Diagnostics& diagnostics, const SsdProblem& problem, SsdChoice* out) {
    choose_cumsum(caps, problem.variant, &out->cumsum);
    choose_recurrent(caps, problem, &out->recurrent);
    // The recurrence has no product: a forced coopmat only matters if chunks are an option.
    if (problem.algorithm != SsdAlgorithm::recurrent || problem.variant == Variant::coopmat)
        if (Result r = choose_product(caps, diagnostics, problem, &out->product); r != Result::ok) return r;
    out->fused = choose_fused(caps, problem, out->product);
    if (problem.variant == Variant::coopmat && problem.algorithm == SsdAlgorithm::recurrent)
        return diagnostics.fail(Result::unsupported, "ssd_scan: variant coopmat: algorithm recurrent has no matrix product");
    if (problem.variant == Variant::subgroup) {
        const bool needs_recurrent = problem.algorithm == SsdAlgorithm::recurrent;
        if (const char* why_not = why_no_subgroups(caps))
            return diagnostics.fail(Result::unsupported, "ssd_scan: variant subgroup: %s", why_not);
        if (needs_recurrent && out->recurrent.variant != Variant::subgroup)
            return diagnostics.fail(Result::unsupported, "ssd_scan: variant subgroup: %s", out->recurrent.reason);
    }
    if (problem.algorithm == SsdAlgorithm::chunked) {
        if (const char* why_not = why_not_chunked(problem))
            return diagnostics.fail(Result::unsupported, "ssd_scan: algorithm chunked: %s", why_not);
        out->algorithm = SsdAlgorithm::chunked;
        say(out->reason, "chunked: asked for by the caller");
    } else if (problem.algorithm == SsdAlgorithm::fused) {
        if (out->fused.why_not)
            return diagnostics.fail(Result::unsupported, "ssd_scan: algorithm fused: %s%s%s", out->fused.why_not,
                                    out->product.variant == Variant::coopmat ? "" : "; ",
                                    out->product.variant == Variant::coopmat ? "" : out->product.reason);
        out->algorithm = SsdAlgorithm::fused;
        say(out->reason, "fused: asked for by the caller");
    } else if (problem.algorithm == SsdAlgorithm::recurrent) {
        out->algorithm = SsdAlgorithm::recurrent;
        say(out->reason, "recurrent: asked for by the caller");
    } else if (problem.variant == Variant::coopmat) {
        if (const char* why_not = why_not_chunked(problem))
            return diagnostics.fail(Result::unsupported, "ssd_scan: variant coopmat: %s", why_not);
        choose_with_matrices(out, "asked for by the caller's variant coopmat");
    } else {
        choose_automatically(caps, problem, out);
    }
    out->chunk_size = out->algorithm == SsdAlgorithm::fused ? FUSED_CHUNK : choose_chunk_size(problem, out->product);
    return Result::ok;
}

}  // namespace scandium
