# The list of kernels: one line each. A line names shaders/<op>.comp and the flavours to compile it in;
# src/ops/<op>.cpp, if there is one, joins the library, and tests/ops/test_<op>.cpp the tests.
#   scalar                     every device
#   subgroup                   GL_KHR_shader_subgroup_arithmetic and _shuffle
#   coopmat_f16, coopmat_bf16  GL_KHR_cooperative_matrix with operands of that type, accumulating in f32
scandium_op(tensor_copy       FLAVOURS scalar)
scandium_op(ssd_scan)
scandium_op(ssd_chunk_table   FLAVOURS scalar)
scandium_op(ssd_chunk_cumsum  FLAVOURS scalar subgroup)
scandium_op(ssd_bmm_chunk     FLAVOURS scalar coopmat_f16 coopmat_bf16)
scandium_op(ssd_chunk_state   FLAVOURS scalar coopmat_f16 coopmat_bf16)
scandium_op(ssd_state_passing FLAVOURS scalar)
scandium_op(ssd_chunk_scan    FLAVOURS scalar coopmat_f16 coopmat_bf16)
scandium_op(ssd_recurrent     FLAVOURS scalar subgroup)
