// Cooperative matrices of a subgroup with operands of 16 bits and sums of 32. MATRIX_M, MATRIX_N and MATRIX_K, the device's shape,
// are the kernel's own specialization constants.
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_control_flow_attributes : require
#if COOPMAT_BF16
#extension GL_EXT_bfloat16 : require
#define MATRIX_TYPE bfloat16_t
#else
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define MATRIX_TYPE float16_t
#endif

#define MATRIX_A coopmat<MATRIX_TYPE, gl_ScopeSubgroup, MATRIX_M, MATRIX_K, gl_MatrixUseA>
#define MATRIX_B coopmat<MATRIX_TYPE, gl_ScopeSubgroup, MATRIX_K, MATRIX_N, gl_MatrixUseB>
#define MATRIX_SUM coopmat<float, gl_ScopeSubgroup, MATRIX_M, MATRIX_N, gl_MatrixUseAccumulator>
