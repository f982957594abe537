// Activations in f32, accurate over the whole range. They are `precise`: compilers may otherwise regroup or contract in one
// pipeline what they leave alone in another, and results that have to agree bit for bit would not.

// log(1 + e) for e in [0, 1], as 2 atanh(e / (2 + e)): a device's log() is only good to 2^-21
// absolutely near 1, which would be all of a small result. The series' first dropped term is under 2e-8.
float log1p_unit(float e) {
    precise float s = e / (2.0 + e), q = s * s;
    float sum = 1.0 / 13.0;
    sum = fma(q, sum, 1.0 / 11.0);
    sum = fma(q, sum, 1.0 / 9.0);
    sum = fma(q, sum, 1.0 / 7.0);
    sum = fma(q, sum, 1.0 / 5.0);
    sum = fma(q, sum, 1.0 / 3.0);
    precise float result = 2.0 * s * fma(q, sum, 1.0);
    return result;
}

// log(1 + exp(v)); beyond 20 it is v to the last bit.
float softplus(float v) {
    if (v > 20.0) return v;
    precise float result = max(v, 0.0) + log1p_unit(exp(-abs(v)));
    return result;
}

float silu(float v) {
    precise float result = v / (1.0 + exp(-v));
    return result;
}
