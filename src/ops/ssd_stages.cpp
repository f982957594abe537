#include "ops/ssd_stages.h"

#include <cstdio>

namespace scandium {

static_assert(uint32_t(Packing::none) == PACKING_NONE && uint32_t(Packing::seq_idx) == PACKING_SEQ_IDX &&
              uint32_t(Packing::cu_seqlens) == PACKING_CU_SEQLENS);

Dispatch ssd_dispatch(Kernel kernel, const char* name, const SsdSlice& slice, uint32_t chunk_size) {
    Dispatch d;
    d.kernel = kernel;
    d.name = name;
    d.spec(SPEC_SSD_HEADDIM, slice.headdim);
    d.spec(SPEC_SSD_DSTATE, slice.dstate);
    d.spec(SPEC_SSD_CHUNK_SIZE, chunk_size);
    d.spec(SPEC_SSD_HEADS_PER_GROUP, slice.heads_per_group);
    d.spec(SPEC_SSD_PACKING, uint32_t(slice.packing));
    d.header[HEADER_TOKENS] = uint32_t(slice.tokens);
    d.header[HEADER_HEADS] = slice.heads;
    d.header[HEADER_SEQUENCES] = slice.sequences;
    d.header[HEADER_CHUNKS] = slice.chunks;
    d.tokens.first = slice.first_token;
    d.tokens.count = slice.tokens;
    return d;
}

void ssd_product(const ProductChoice& product, const SsdSlice& slice, uint32_t rows, uint32_t columns, uint32_t batches,
                 uint32_t extra_shared, Dispatch* dispatch) {
    Dispatch& d = *dispatch;
    std::snprintf(d.reason, sizeof d.reason, "%s", product.reason);
    d.variant = product.variant;
    d.flavour = product.flavour;
    d.local_size = product.local_size;
    d.subgroup_size = product.subgroup_size;
    d.full_subgroups = product.variant == Variant::coopmat;
    d.shared_memory = product.shared_memory + extra_shared;
    if (product.variant == Variant::coopmat) {
        d.spec(SPEC_MATRIX_M, product.shape.m);
        d.spec(SPEC_MATRIX_N, product.shape.n);
        d.spec(SPEC_MATRIX_K, product.shape.k);
    } else {
        d.spec(SPEC_TILE_M, product.tile_m);
        d.spec(SPEC_TILE_N, product.tile_n);
        d.spec(SPEC_TILE_K, product.tile_k);
    }
    const uint32_t down = (rows + product.tile_m - 1) / product.tile_m, across = (columns + product.tile_n - 1) / product.tile_n;
    d.groups[0] = down * across;
    d.groups[1] = slice.chunks;
    d.groups[2] = batches;
}

void ssd_chunks_follow_tokens(const SsdSlice& slice, uint32_t chunk_size, Dispatch* dispatch) {
    if (slice.packing != Packing::none) return;  // the number of chunks is only known on the device
    dispatch->tokens.axis = 1;
    dispatch->tokens.per_group = chunk_size;
}

}  // namespace scandium
