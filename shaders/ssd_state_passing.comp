#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// Carries the state from chunk to chunk: S enters a chunk, and exp(sum of dt' * A over it) * S + (what the
// chunk adds) leaves it. In place: `states` comes in as what each chunk adds and goes out as the state that
// enters it; the caller may want these too (states_out). Reference: arXiv:2405.21060, section 6, step 3.
//
// An invocation walks the chunks with one element of one head's state. Nothing waits on another workgroup:
// Vulkan promises no forward progress between them. Grid: (headdim * dstate / local size, heads, batch).
#include "lib/ssd.glsl"
#include "lib/ssd_dt.glsl"

TENSOR(PASSING_STATES, states)
TENSOR(PASSING_DA_CUMSUM, dA_cumsum)
TENSOR(PASSING_TABLE, table)
TENSOR(PASSING_INITIAL, initial_states)
TENSOR(PASSING_FINAL, final_states)
TENSOR(PASSING_STATES_OUT, states_out)

#include "lib/ssd_chunk.glsl"

const uint AHEAD = 8;  // chunks whose loads are under way before any of them is stored to

// The state that enters a sequence. With seq_idx, initial_states belong to the first of a row.
float load_initial(uint row, Chunk chunk, uint at) {
    if (!initial_states_present || (PACKING == PACKING_SEQ_IDX && chunk.sequence != 0)) return 0.0;
    return initial_states_load(row * initial_states_s0 + at);
}

void main() {
    const uint e = gl_GlobalInvocationID.x, h = gl_WorkGroupID.y, b = gl_WorkGroupID.z;
    if (e >= HEADDIM * DSTATE) return;
    const uint p = e / DSTATE, n = e % DSTATE;
    const uint at_initial = h * initial_states_s1 + p * initial_states_s2 + n * initial_states_s3;
    const uint at_final = h * final_states_s1 + p * final_states_s2 + n * final_states_s3;
    const uint base = b * states_s0 + h * states_s2 + p * states_s3 + n * states_s4;
    const uint base_out = b * states_out_s0 + h * states_out_s2 + p * states_out_s3 + n * states_out_s4;
    const uint base_total = b * dA_cumsum_s0 + h * dA_cumsum_s1 + CHUNK_SIZE - 1;
    const uint chunks = chunk_count(b);

    Chunk chunk;
    chunk.sequence = 0;
    float state = load_initial(b, chunk, at_initial);
    for (uint block = 0; block < chunks; block += AHEAD) {
        float added[AHEAD], total[AHEAD];
        [[unroll]] for (uint i = 0; i < AHEAD; ++i) {
            const uint c = min(block + i, push.header[HEADER_CHUNKS] - 1);  // inside, whatever `chunks` is
            added[i] = states_load(base + c * states_s1);
            total[i] = dA_cumsum_load(base_total + c * dA_cumsum_s2) + dA_cumsum_load(base_total + c * dA_cumsum_s2 + dA_cumsum_s3);
        }
        [[unroll]] for (uint i = 0; i < AHEAD; ++i) {
            const uint c = block + i;
            if (c >= chunks) continue;
            if (PACKING != PACKING_NONE) {
                chunk = get_chunk(b, c);
                if (chunk.starts) state = load_initial(PACKING == PACKING_CU_SEQLENS ? chunk.sequence : b, chunk, at_initial);
            }
            if (PACKING == PACKING_NONE || chunk.count != 0) {
                states_store(base + c * states_s1, state);
                if (states_out_present) states_out_store(base_out + c * states_out_s1, state);
                state = fma(state, decay(total[i]), added[i]);
            }
            if (PACKING == PACKING_CU_SEQLENS && final_states_present && chunk.ends)
                final_states_store(chunk.sequence * final_states_s0 + at_final, state);
        }
    }
    if (PACKING != PACKING_CU_SEQLENS && final_states_present)
        final_states_store(b * final_states_s0 + at_final, has_overflow(b) ? NOT_A_NUMBER : state);
}
