// A sum kept as two f32, high + low: after a large term small ones still count to their last bit, and so does a
// difference of two sums. `precise` keeps compilers from simplifying what is zero in exact arithmetic.
struct TwoFloat {
    float high, low;
};

TwoFloat add(TwoFloat a, TwoFloat b) {
    precise float sum = a.high + b.high;
    precise float b_seen = sum - a.high;
    precise float lost = (a.high - (sum - b_seen)) + (b.high - b_seen);
    precise float low = lost + (a.low + b.low);
    TwoFloat result;
    precise float high = sum + low;
    precise float rest = low - (high - sum);
    result.high = high;
    result.low = rest;
    return result;
}

float difference(TwoFloat a, TwoFloat b) {
    precise float high = a.high - b.high;
    precise float low = a.low - b.low;
    return high + low;
}
