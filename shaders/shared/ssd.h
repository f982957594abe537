// Read by GLSL and C++: constants of ssd_scan's kernels.
#ifndef SCANDIUM_SHARED_SSD_H
#define SCANDIUM_SHARED_SSD_H
#include "shared/ssd_dt.h"

// Specialization constants that every stage has.
#define SPEC_SSD_HEADDIM (SPEC_OP + 0)
#define SPEC_SSD_DSTATE (SPEC_OP + 1)
#define SPEC_SSD_CHUNK_SIZE (SPEC_OP + 2)
#define SPEC_SSD_HEADS_PER_GROUP (SPEC_OP + 3)
#define SPEC_SSD_PACKING (SPEC_OP + 4)       // a PACKING_ below
#define SPEC_SSD_GROUPS (SPEC_OP + 5)        // bmm_chunk: groups in the dispatch
// chunk_cumsum and recurrent: those of shared/ssd_dt.h, 8 to 10.
// recurrent.
#define SPEC_SSD_LANES (SPEC_OP + 12)        // lanes that share a row of the state
#define SPEC_SSD_ROWS (SPEC_OP + 13)         // rows of the state in a lane
#define SPEC_SSD_COLUMNS (SPEC_OP + 14)      // columns of the state in a lane
// The three products (lib/product_*.glsl).
#define SPEC_TILE_M (SPEC_OP + 16)
#define SPEC_TILE_N (SPEC_OP + 17)
#define SPEC_TILE_K (SPEC_OP + 18)
#define SPEC_MATRIX_M (SPEC_OP + 19)         // the device's cooperative matrix shape
#define SPEC_MATRIX_N (SPEC_OP + 20)
#define SPEC_MATRIX_K (SPEC_OP + 21)

// What kernels and the code that dispatches them count with.
#define SSD_CUMSUM_HEADS 8       // chunk_cumsum, subgroup: heads of a workgroup
#define SSD_RECURRENT_BLOCK 16   // recurrent: tokens whose steps are prepared together
#define SSD_TILE 4               // recurrent_tile: tokens between which the state is left alone
#define SSD_STRIP 32             // recurrent_tile: columns of the state in one block of code
#define COOPMAT_TILE_K 32        // the products through cooperative matrices
#define COOPMAT_PITCH ((COOPMAT_TILE_K + 8) / 2)  // words from one row of an operand's tile to the next

#define PACKING_NONE 0
#define PACKING_SEQ_IDX 1
#define PACKING_CU_SEQLENS 2

// Header words beside HEADER_TOKENS.
#define HEADER_HEADS 1       // heads in the dispatch's part
#define HEADER_SEQUENCES 2   // packed: sequences of a row that the tables have room for
#define HEADER_CHUNKS 3      // packed: chunks of a row that the table has room for
#define HEADER_DSTATE 3      // recurrent_tile: dstate, where the compiler does not see it

// A row of the chunk table: a head of TABLE_HEAD words, then TABLE_ENTRY words for each chunk.
#define TABLE_CHUNKS 0                       // chunks in use
#define TABLE_OVERFLOW 1                     // 1: more sequences than max_sequences; the entries cover the row all the same
#define TABLE_HEAD 4
#define TABLE_FIRST 0                        // first token
#define TABLE_COUNT 1                        // tokens, 1 to chunk_size, or 0 for an empty sequence
#define TABLE_SEQUENCE 2
#define TABLE_FLAGS 3                        // TABLE_STARTS, TABLE_ENDS: first, last chunk of its sequence
#define TABLE_STARTS 1
#define TABLE_ENDS 2
#define TABLE_ENTRY 4

// Arguments.
#define STARTS_SEQ_IDX 0
#define STARTS_STARTS 1

#define TABLE_ARG_STARTS 0
#define TABLE_ARG_TABLE 1

#define CUMSUM_DT 0
#define CUMSUM_A 1
#define CUMSUM_DT_BIAS 2
#define CUMSUM_TABLE 3
#define CUMSUM_DT_OUT 4
#define CUMSUM_DA_CUMSUM 5

#define BMM_B 0
#define BMM_C 1
#define BMM_TABLE 2
#define BMM_CB 3

#define STATE_X 0
#define STATE_B 1
#define STATE_TABLE 2
#define STATE_DT 3
#define STATE_DA_CUMSUM 4
#define STATE_STATES 5

#define PASSING_STATES 0
#define PASSING_DA_CUMSUM 1
#define PASSING_TABLE 2
#define PASSING_INITIAL 3
#define PASSING_FINAL 4
#define PASSING_STATES_OUT 5

#define SCAN_X 0
#define SCAN_C 1
#define SCAN_CB 2
#define SCAN_TABLE 3
#define SCAN_DT 4
#define SCAN_DA_CUMSUM 5
#define SCAN_STATES 6
#define SCAN_D 7
#define SCAN_Z 8
#define SCAN_Y 9

#define RECURRENT_X 0
#define RECURRENT_DT 1
#define RECURRENT_A 2
#define RECURRENT_B 3
#define RECURRENT_C 4
#define RECURRENT_D 5
#define RECURRENT_Z 6
#define RECURRENT_DT_BIAS 7
#define RECURRENT_INITIAL 8
#define RECURRENT_SEQ 9      // seq_idx or cu_seqlens
#define RECURRENT_Y 10
#define RECURRENT_FINAL 11
#define RECURRENT_STATES 12
#define RECURRENT_TERMS 13   // recurrent_tile

#define TERMS_DT 0
#define TERMS_A 1
#define TERMS_DT_BIAS 2
#define TERMS_B 3
#define TERMS_C 4
#define TERMS_TERMS 5

#endif
