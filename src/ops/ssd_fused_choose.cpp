#include "ops/ssd_fused_choose.h"

#include "ops/choose.h"
#include "ops/ssd_choose.h"
#include "shared/ssd_fused.h"

namespace scandium {
namespace {

constexpr uint32_t kMostRows = 80;      // of headdim in a workgroup: 5 tiles of 16
constexpr uint32_t kMostColumns = 256;  // of the state, which a subgroup has in registers
// Of the state in a lane. Where subgroups have fewer than 32 lanes, the registers that a lane has are fewer as well: Intel's compiler
// spills 370 to 960 at 128 and 256 (docs/fleet.md). Lanes of 32 and more are taken to have 255, as NVIDIA's do.
constexpr uint32_t kMostRegisters = 64, kMostRegistersOf32 = 128;
constexpr uint32_t kSharedBytes = 49152;  // at most, even where a device has more: a second workgroup hides latency

uint32_t round_up(uint32_t value, uint32_t step) { return (value + step - 1) / step * step; }
uint32_t odd_from(uint32_t value) { return value | 1; }

// Columns of the state in whole pairs of tiles.
uint32_t columns_of(const FusedChoice& c, const SsdProblem& problem) { return round_up(problem.dstate, 2 * c.shape.n); }

// The bytes that ssd_fused_scan.comp declares; the names are its own.
uint32_t scan_shared_memory(const FusedChoice& c, const SsdProblem& problem) {
    constexpr uint32_t q = FUSED_CHUNK;
    const uint32_t pitch_bc = odd_from(columns_of(c, problem) / 4);
    const uint32_t segment = (c.packed_y ? 1 : 2) * c.shape.m / 8,
                   pitch_x = odd_from(c.rows / c.shape.m * segment + (c.split_m ? 2 : 1) * q / 8);
    const uint32_t pieces = q * (pitch_bc + pitch_x);
    return 16 * pieces + 16 * 2 * FUSED_STEP_VECTORS + 4 * q + 4 * 3;  // steps_of, factor_of; largest_x twice, largest_state
}

uint32_t cb_shared_memory(const FusedChoice& c, const SsdProblem& problem) {
    const uint32_t pitch = odd_from(round_up(problem.dstate, c.shape.k) / 8);
    return 16 * FUSED_CHUNK * (2 * pitch + odd_from(FUSED_CHUNK / 4)) + 4 * FUSED_LARGEST;
}

// Whether it tiles a chunk, and accumulators, packed in pairs, are whole operands.
bool is_usable(const CooperativeMatrixShape& s) {
    if (s.m % 8 != 0 || s.n % 8 != 0 || s.k % 8 != 0 || s.m > 16 || s.k % s.n != 0 || 2 * s.n % s.k != 0) return false;
    return FUSED_CHUNK % s.m == 0 && FUSED_CHUNK % s.k == 0;
}

// Fills in what follows from row_tiles; whether that can be had.
bool complete(const Caps& caps, const SsdProblem& problem, FusedChoice* c) {
    const uint32_t step = c->row_tiles * c->shape.m, blocks = (problem.headdim + kMostRows - 1) / kMostRows;
    c->rows = round_up((problem.headdim + blocks - 1) / blocks, step);
    c->local_size = c->rows / step * c->subgroup_size;
    c->shared_memory = scan_shared_memory(*c, problem);
    if (c->local_size > caps.max_invocations || c->local_size > caps.max_workgroup_size_x) return false;
    if (c->shared_memory > caps.shared_memory || c->shared_memory > kSharedBytes) return false;
    // A packed pair of the state's tiles has to fit a subgroup's own part of shared memory.
    const uint32_t segment_words = 2 * c->shape.m / 2;
    if (!c->converts && (c->row_tiles * segment_words < c->shape.n || FUSED_CHUNK / c->shape.m < 1)) return false;
    // Rows of pieces are dealt to lanes in powers of two.
    const uint32_t x_lanes = power_of_two_from(c->rows / 8), bc_lanes = power_of_two_from(columns_of(*c, problem) / 16);
    return c->local_size % x_lanes == 0 && c->local_size % bc_lanes == 0 && c->local_size % (FUSED_CHUNK / 8) == 0;
}

bool choose_tiles(const Caps& caps, const SsdProblem& problem, FusedChoice* c) {
    for (c->row_tiles = 1; c->row_tiles <= 2; ++c->row_tiles)
        if (complete(caps, problem, c)) return true;
    return false;
}

const char* try_fused(const Caps& caps, const SsdProblem& problem, const ProductChoice& product, FusedChoice* c) {
    if (product.variant != Variant::coopmat) return "no matrix units for these operands";
    if (problem.packing != Packing::none) return "packed sequences";
    if (problem.has_states) return "the states at chunk boundaries never leave its registers";
    if (problem.headdim % 8 != 0 || problem.dstate % 8 != 0) return "headdim or dstate is no multiple of 8";
    if (problem.dstate > kMostColumns) return "dstate is over 256";
    if (!problem.in_pieces) return "x, B or C is not laid out in 16-byte pieces";
    if (!caps.subgroup_arithmetic || !caps.subgroup_shuffle) return "no subgroup arithmetic or shuffle";
    if (!find_kernel_code(Kernel::ssd_fused_scan, product.flavour, Backend::address16)) return "this build has no kernel";
    if (!find_largest_shape(caps, problem.x, &c->shape, is_usable)) return "no matrix shape tiles a chunk";
    c->cb_flavour = c->flavour = product.flavour;
    const Flavour converting = problem.x == DType::f16 ? Flavour::coopmat2_f16 : Flavour::coopmat2_bf16;
    c->converts = caps.features.cooperative_matrix_conversions && c->shape.n == c->shape.k &&
                  find_kernel_code(Kernel::ssd_fused_scan, converting, Backend::address16);
    if (c->converts) c->flavour = converting;
    c->packed_y = c->converts && !problem.has_z && problem.y == problem.x;
    c->required_subgroup_size = product.subgroup_size;
    c->subgroup_size = product.local_size / 4;
    c->cb_local_size = 4 * c->subgroup_size;
    c->cb_shared_memory = cb_shared_memory(*c, problem);
    // A state of the caller's may be all of y for a while. Without D, which multiplies x exactly, C B^T may.
    c->split_state = problem.has_initial;
    c->split_m = !problem.has_D;
    const uint32_t registers = c->shape.m * columns_of(*c, problem) / c->subgroup_size;
    if (registers > (c->subgroup_size < 32 ? kMostRegisters : kMostRegistersOf32))
        c->why_not_chosen = "the state takes most registers of a lane";
    c->unroll = caps.device_type != VK_PHYSICAL_DEVICE_TYPE_CPU;
    if (c->subgroup_size < 8) return "subgroups of fewer than 8 lanes";
    if (c->cb_shared_memory > caps.shared_memory || c->cb_shared_memory > kSharedBytes || !choose_tiles(caps, problem, c))
        return "a chunk exceeds shared memory or a workgroup";
    return nullptr;
}

}  // namespace

FusedChoice choose_fused(const Caps& caps, const SsdProblem& problem, const ProductChoice& product) {
    FusedChoice c;
    c.why_not = try_fused(caps, problem, product, &c);
    if (!c.why_not)
        say(c.reason, "%ux%ux%u %s matrices, %u rows in a workgroup, %u in a subgroup%s", c.shape.m, c.shape.n, c.shape.k,
            to_string(problem.x), c.rows, c.row_tiles * c.shape.m, c.converts ? ", sums converted to operands" : "");
    return c;
}

}  // namespace scandium
