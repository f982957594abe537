// How ssd_scan will run on a device: a pure function of the device's capabilities and the problem, so that
// it is tested without a driver, and says why.
#pragma once

#include "core/diagnostics.h"
#include "graph/dispatch.h"
#include "ops/ssd_fused_choose.h"
#include "scandium/ops/ssd_scan.h"

namespace scandium {

enum class Packing : uint32_t { none, seq_idx, cu_seqlens };  // in the order of shared/ssd.h

struct SsdProblem {
    uint64_t batch = 1, seqlen = 1;
    uint32_t nheads = 1, headdim = 1, ngroups = 1, dstate = 1;
    DType x = DType::f32, B = DType::f32, C = DType::f32, y = DType::f32;
    Packing packing = Packing::none;
    uint64_t sequences = 0;   // in a row, at most; 0: unknown
    uint32_t chunk_size = 0;  // 0: free
    uint32_t segments = 0;    // of the fused form; 0: free
    bool has_states = false;  // the states at chunk boundaries are asked for
    bool has_initial = false, has_z = false, has_D = false;
    bool in_pieces = false;  // x, B and C can be read 16 bytes at a time
    SsdAlgorithm algorithm = SsdAlgorithm::automatic;
    Variant variant = Variant::automatic;
};

// The tile of the three products, and with what it is computed.
struct ProductChoice {
    Variant variant = Variant::scalar;
    Flavour flavour = Flavour::scalar;
    char reason[120] = {};
    uint32_t local_size = 64, subgroup_size = 0;
    uint32_t tile_m = 32, tile_n = 32, tile_k = 16;
    CooperativeMatrixShape shape;
    uint32_t shared_memory = 0;  // bytes, without what a stage adds
};

struct CumsumChoice {
    Variant variant = Variant::scalar;
    char reason[120] = {};
    uint32_t local_size = 64, subgroup_size = 0;
};

// LANES invocations share ROWS rows of the state and hold COLUMNS columns each. Tiled: a lane has a row, and tokens go a few at a time.
struct RecurrentChoice {
    bool tiled = false;
    Variant variant = Variant::scalar;
    char reason[120] = {};
    uint32_t local_size = 64, subgroup_size = 0;
    uint32_t lanes = 1, rows = 1, columns = 1;
    uint32_t shared_memory = 0;
};

struct SsdChoice {
    SsdAlgorithm algorithm = SsdAlgorithm::recurrent;
    char reason[120] = {};
    uint32_t chunk_size = 64;
    ProductChoice product;
    CumsumChoice cumsum;
    RecurrentChoice recurrent;
    FusedChoice fused;
};

// Errors: unsupported (a forced algorithm or variant that cannot be had), told to `diagnostics`.
Result choose_ssd_scan(const Caps& caps, const Diagnostics& diagnostics, const SsdProblem& problem, SsdChoice* out);

}  // namespace scandium
