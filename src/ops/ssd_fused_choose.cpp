#include "ops/ssd_fused_choose.h"

#include <initializer_list>

#include "ops/choose.h"
#include "ops/ssd_choose.h"
#include "shared/ssd_fused.h"

namespace scandium {
namespace {

// Rows of headdim in a workgroup: 5 tiles of 16, or 8 where the state is wide: then B and C, which all rows share, are most of the work.
constexpr uint32_t kMostRows = 80, kMostRowsOfWide = 128, kWide = 128, kLeastRows = 32;
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
uint32_t walk_shared_memory(const FusedChoice& c, const SsdProblem& problem, bool states_only) {
    constexpr uint32_t q = FUSED_CHUNK;
    const uint32_t pitch_bc = odd_from(columns_of(c, problem) / (states_only ? 8 : 4));
    const uint32_t segment = (c.packed_y || states_only ? 1 : 2) * c.shape.m / 8, m = states_only ? 0 : (c.split_m ? 2 : 1) * q / 8;
    const uint32_t pitch_x = odd_from(c.rows / c.shape.m * segment + m);
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
bool complete(const Caps& caps, const SsdProblem& problem, const FusedChoice& c, bool states_only, FusedTiles* tiles) {
    const uint32_t step = tiles->row_tiles * c.shape.m;
    if (c.rows % step != 0) return false;
    tiles->local_size = c.rows / step * c.subgroup_size;
    tiles->shared_memory = walk_shared_memory(c, problem, states_only);
    if (tiles->local_size > caps.max_invocations || tiles->local_size > caps.max_workgroup_size_x) return false;
    if (tiles->shared_memory > caps.shared_memory || tiles->shared_memory > kSharedBytes) return false;
    // A packed pair of the state's tiles has to fit a subgroup's own part of shared memory.
    const uint32_t segment_words = 2 * c.shape.m / 2;
    if (!c.converts && !states_only && tiles->row_tiles * segment_words < c.shape.n) return false;
    // Rows of pieces are dealt to lanes in powers of two.
    const uint32_t x_lanes = power_of_two_from(c.rows / 8), bc_lanes = power_of_two_from(columns_of(c, problem) / 16);
    return tiles->local_size % x_lanes == 0 && tiles->local_size % bc_lanes == 0 && tiles->local_size % (FUSED_CHUNK / 8) == 0;
}

uint32_t registers_of_state(const FusedChoice& c, const SsdProblem& problem, uint32_t row_tiles) {
    return row_tiles * c.shape.m * columns_of(c, problem) / c.subgroup_size;
}

bool choose_tiles(const Caps& caps, const SsdProblem& problem, uint32_t most_rows, FusedChoice* c) {
    const uint32_t blocks = (problem.headdim + most_rows - 1) / most_rows;
    for (c->scan.row_tiles = 1; c->scan.row_tiles <= 2; ++c->scan.row_tiles) {
        c->rows = round_up((problem.headdim + blocks - 1) / blocks, c->scan.row_tiles * c->shape.m);
        c->blocks = (problem.headdim + c->rows - 1) / c->rows;
        if (!complete(caps, problem, *c, false, &c->scan)) continue;
        // Where nothing but the state takes registers, each operand from shared memory serves twice as many rows.
        c->states.row_tiles = 2;
        if (registers_of_state(*c, problem, 2) <= kMostRegistersOf32 && complete(caps, problem, *c, true, &c->states)) return true;
        c->states.row_tiles = c->scan.row_tiles;
        if (complete(caps, problem, *c, true, &c->states)) return true;
    }
    return false;
}

bool choose_tiles(const Caps& caps, const SsdProblem& problem, FusedChoice* c) {
    for (const uint32_t most_rows : {problem.dstate > kWide ? kMostRowsOfWide : kMostRows, kMostRows, kLeastRows})
        if (choose_tiles(caps, problem, most_rows, c)) return true;
    return false;
}

// ---- segments -----------------------------------------------------------------------------------
// A model of time in chunks of a workgroup that has a core to itself, from an H100's times (docs/performance.md): 1.75 us there at 64 rows
// and 128 columns. It only has to order numbers of segments.

constexpr uint32_t kMostSegments = 16, kLeastSegmentChunks = 2;
constexpr uint32_t kCoresOfDiscrete = 32;   // of a GPU that does not tell
constexpr uint32_t kResidentThreads = 256;  // of this kernel on a core, by registers
constexpr double kLaunch = 3, kRound = 2;
constexpr double kWorthwhile = 0.94;  // of the time with fewer

uint64_t divide_up(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

// `chunks` of each of `workgroups`: those that are resident together share a core's units, and hide each other's latency.
double scan_time(uint64_t workgroups, uint64_t chunks, uint64_t cores, uint32_t local_size) {
    const uint64_t resident = local_size < kResidentThreads ? kResidentThreads / local_size : 1;
    const auto round = [&](uint64_t on_core) { return double(chunks) * (0.5 + 0.5 * double(on_core)) + kRound; };
    const uint64_t full = workgroups / (cores * resident), rest = workgroups % (cores * resident);
    return double(full) * round(resident) + (rest == 0 ? 0 : round(divide_up(rest, cores)));
}

double states_time(uint64_t workgroups, uint64_t chunks, uint64_t cores) {
    const double on_core = workgroups <= cores ? 1.0 : double(workgroups) / double(cores);
    return double(chunks) * (0.35 + 0.3 * on_core) + kLaunch;
}

double split_time(const SsdProblem& problem, const FusedChoice& c, uint64_t cores, uint64_t segment_chunks) {
    const uint64_t heads = problem.batch * problem.nheads * c.blocks;
    const uint64_t segments = divide_up(divide_up(problem.seqlen, FUSED_CHUNK), segment_chunks);
    const double scan = scan_time(heads * segments, segment_chunks, cores, c.scan.local_size);
    if (segments == 1) return scan;
    const double gather = 0.75 * columns_of(c, problem) / 128 * double(segments - 1);
    return scan + gather + states_time(heads * (segments - 1), segment_chunks, cores);
}

void choose_segments(const Caps& caps, const SsdProblem& problem, FusedChoice* c) {
    const uint64_t chunks = divide_up(problem.seqlen, FUSED_CHUNK);
    if (problem.segments != 0) {
        if (problem.segments > 1 && chunks > 1) c->segment_chunks = uint32_t(divide_up(chunks, problem.segments));
        return;
    }
    const uint64_t cores = caps.cores != 0 ? caps.cores : caps.device_type == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU ? kCoresOfDiscrete : 0;
    if (cores == 0 || caps.device_type == VK_PHYSICAL_DEVICE_TYPE_CPU) return;
    double best = split_time(problem, *c, cores, chunks);
    for (uint64_t segments = 2; segments <= kMostSegments && divide_up(chunks, segments) >= kLeastSegmentChunks; ++segments) {
        if (problem.batch * segments > caps.max_workgroups[2]) break;
        const uint64_t length = divide_up(chunks, segments);
        const double time = split_time(problem, *c, cores, length);
        if (time >= kWorthwhile * best) continue;
        best = time;
        c->segment_chunks = uint32_t(length);
    }
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
    if (registers_of_state(*c, problem, 1) > (c->subgroup_size < 32 ? kMostRegisters : kMostRegistersOf32))
        c->why_not_chosen = "the state takes most registers of a lane";
    c->unroll = caps.device_type != VK_PHYSICAL_DEVICE_TYPE_CPU;
    if (c->subgroup_size < 8) return "subgroups of fewer than 8 lanes";
    if (c->cb_shared_memory > caps.shared_memory || c->cb_shared_memory > kSharedBytes || !choose_tiles(caps, problem, c))
        return "a chunk exceeds shared memory or a workgroup";
    choose_segments(caps, problem, c);
    return nullptr;
}

}  // namespace

uint64_t FusedChoice::segment_floats(uint32_t dstate) const {
    return uint64_t(blocks) * rows * round_up(dstate, 2 * shape.n) + 4;  // and the sum of dt' A, in a vector of its own
}

FusedChoice choose_fused(const Caps& caps, const SsdProblem& problem, const ProductChoice& product) {
    FusedChoice c;
    c.why_not = try_fused(caps, problem, product, &c);
    if (c.why_not) return c;
    char segments[48] = "not split in time";
    if (c.segment_chunks != 0) say(segments, "segments of %u tokens", c.segment_chunks * FUSED_CHUNK);
    say(c.reason, "%ux%ux%u %s matrices, %u rows a workgroup, %u a subgroup%s; %s", c.shape.m, c.shape.n, c.shape.k, to_string(problem.x),
        c.rows, c.scan.row_tiles * c.shape.m, c.converts ? ", sums converted to operands" : "", segments);
    return c;
}

}  // namespace scandium
