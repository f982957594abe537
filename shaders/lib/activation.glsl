// Activations in f32, accurate over the whole range. They are `precise`: compilers may otherwise regroup or contract in one
// pipeline what they leave alone in another, and results that have to agree bit for bit would not.

// softplus(v) = max(v, 0) + log(1 + e) with e = exp(-|v|): a device's log() is only good to 2^-21 absolutely near 1, which
// would be all of a small result. log(1 + e) / e is a polynomial instead, which cost no division: the minimax one of degree 9
// for the relative error on [0, 1], 4.7e-9. Beyond 17 the sum is v to the last bit. No branch: a scan computes many at once.
float softplus(float v) {
    precise float e = exp(-abs(v));
    float series = -0.0032440246082980064;
    series = fma(e, series, 0.019851459815484758);
    series = fma(e, series, -0.05695952952491087);
    series = fma(e, series, 0.1060365441232431);
    series = fma(e, series, -0.1530559230124362);
    series = fma(e, series, 0.19675939169638706);
    series = fma(e, series, -0.24954133641322393);
    series = fma(e, series, 0.33329962415788167);
    series = fma(e, series, -0.4999990242280549);
    series = fma(e, series, 1.0);
    precise float result = fma(e, series, max(v, 0.0));
    return result;
}

float silu(float v) {
    precise float result = v / (1.0 + exp(-v));
    return result;
}
