# The list of kernels: one line each, naming shaders/<op>.comp and the flavours to compile it in. The code
# that dispatches it is src/ops/<op>.cpp.
#   scalar                     every device
#   subgroup                   GL_KHR_shader_subgroup_arithmetic and _shuffle
#   coopmat_f16, coopmat_bf16  GL_KHR_cooperative_matrix with operands of that type, accumulating in f32
#   coopmat2_f16, coopmat2_bf16  also GL_NV_cooperative_matrix2's conversions of sums to operands
scandium_op(tensor_copy       FLAVOURS scalar)
scandium_op(ssd_sequence_starts FLAVOURS scalar)
scandium_op(ssd_chunk_table   FLAVOURS scalar)
scandium_op(ssd_chunk_cumsum  FLAVOURS scalar subgroup)
scandium_op(ssd_bmm_chunk     FLAVOURS scalar coopmat_f16 coopmat_bf16)
scandium_op(ssd_chunk_state   FLAVOURS scalar coopmat_f16 coopmat_bf16)
scandium_op(ssd_state_passing FLAVOURS scalar)
scandium_op(ssd_chunk_scan    FLAVOURS scalar coopmat_f16 coopmat_bf16)
scandium_op(ssd_recurrent     FLAVOURS scalar subgroup)
scandium_op(ssd_recurrent_terms FLAVOURS scalar)
scandium_op(ssd_recurrent_tile FLAVOURS scalar)
scandium_op(ssd_fused_cb      FLAVOURS coopmat_f16 coopmat_bf16)
scandium_op(ssd_fused_scan    FLAVOURS coopmat_f16 coopmat_bf16 coopmat2_f16 coopmat2_bf16)
scandium_op(rms_norm_gated    FLAVOURS scalar subgroup)
scandium_op(rms_norm_gated_words FLAVOURS subgroup)
scandium_op(elementwise       FLAVOURS scalar)
scandium_op(elementwise_words FLAVOURS subgroup)
scandium_op(embedding         FLAVOURS scalar)
scandium_op(embedding_words   FLAVOURS subgroup)
scandium_op(segsum            FLAVOURS scalar)
scandium_op(selective_state_update FLAVOURS scalar subgroup)
scandium_op(causal_conv1d     FLAVOURS scalar)
scandium_op(selective_scan    FLAVOURS scalar subgroup)
scandium_op(matrix_rate       FLAVOURS coopmat_f16 coopmat_bf16)
scandium_op(linear_matrices   FLAVOURS coopmat_f16 coopmat_bf16)
scandium_op(linear_tiles      FLAVOURS scalar)
scandium_op(linear_few        FLAVOURS scalar subgroup)
scandium_op(linear_words      FLAVOURS subgroup)
