// Inclusive sum over a workgroup, in shared memory. Every invocation must call it; ends with a barrier.
shared uint scan_sums[gl_WorkGroupSize.x];

uint workgroup_inclusive_sum(uint value) {
    const uint lane = gl_LocalInvocationID.x;
    scan_sums[lane] = value;
    barrier();
    for (uint step = 1; step < gl_WorkGroupSize.x; step *= 2) {
        const uint before = lane >= step ? scan_sums[lane - step] : 0;
        barrier();
        scan_sums[lane] += before;
        barrier();
    }
    return scan_sums[lane];
}

// The sum over all invocations of the last call. A barrier must follow before the next call.
uint workgroup_sum() { return scan_sums[gl_WorkGroupSize.x - 1]; }
