#include "ops/check.h"

#include <cmath>
#include <cstdarg>
#include <cstdio>

#include "graph/schedule.h"

namespace scandium {
namespace {

const char* to_text(Types types) {
    switch (types) {
    case kFloat32: return "f32";
    case kFloats: return "f32, f16 or bf16";
    case kInt32: return "i32";
    }
    return "";
}

// Whether no two elements share a place, judged by nesting the axes from the narrowest stride out.
bool elements_are_apart(const Tensor& tensor) {
    bool done[kMaxRank] = {};
    uint64_t reach = 0;  // of the axes so far: offset of the last element
    for (uint32_t n = 0; n < tensor.rank; ++n) {
        uint32_t narrowest = kMaxRank;
        for (uint32_t i = 0; i < tensor.rank; ++i)
            if (!done[i] && (narrowest == kMaxRank || tensor.stride[i] < tensor.stride[narrowest])) narrowest = i;
        done[narrowest] = true;
        if (tensor.shape[narrowest] == 1) continue;
        if (tensor.stride[narrowest] <= reach) return false;
        reach += (tensor.shape[narrowest] - 1) * tensor.stride[narrowest];
    }
    return true;
}

}  // namespace

bool type_matches(DType dtype, Types types) {
    if (types == kFloat32) return dtype == DType::f32;
    if (types == kInt32) return dtype == DType::i32;
    return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
}

Result Checker::fail(const char* format, ...) const {
    char sentence[400];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    return graph_.diagnostics().fail(Result::invalid_argument, "%s: %s", op_, sentence);
}

Result Checker::exists(const char* name, TensorId id, bool required, uint32_t rank) const {
    if (id == kNoTensor) return required ? fail("%s is missing", name) : Result::ok;
    if (!graph_.has(id)) return fail("%s is tensor %u, which this graph does not have", name, id);
    if (rank != 0 && tensor(id).rank != rank) return fail("%s has rank %u, not %u", name, tensor(id).rank, rank);
    return Result::ok;
}

Result Checker::matches(const Expected& e) const {
    if (Result r = exists(e.name, e.id, e.required, e.rank); r != Result::ok || e.id == kNoTensor) return r;
    const Tensor& t = tensor(e.id);
    if (!type_matches(t.dtype, e.types)) return fail("%s is %s, not %s", e.name, to_string(t.dtype), to_text(e.types));
    for (uint32_t i = 0; i < e.rank; ++i)
        if (t.shape[i] != e.shape[i]) return fail("axis %u of %s is %llu, not %llu", i, e.name, llu(t.shape[i]), llu(e.shape[i]));
    if (e.written && !elements_are_apart(t)) return fail("strides of %s make elements share a place", e.name);
    return Result::ok;
}

Result Checker::in_range(const char* name, uint64_t value, uint64_t most) const {
    if (value <= most) return Result::ok;
    return fail("%s is %llu, over the limit of %llu", name, llu(value), llu(most));
}

Result Checker::is_variant(Variant variant) const {
    return uint32_t(variant) > uint32_t(Variant::coopmat) ? fail("variant is not one of Variant") : Result::ok;
}

Result Checker::are_dt_limits(float dt_min, float dt_max) const {
    if (std::isnan(dt_min) || dt_min < 0) return fail("dt_min is %g, not >= 0", double(dt_min));
    if (std::isnan(dt_max) || dt_max < dt_min) return fail("dt_max is %g, not >= dt_min", double(dt_max));
    return std::isinf(dt_min) ? fail("dt_min is infinite") : Result::ok;
}

Result Checker::count_sequences(TensorId cu_seqlens, uint64_t batch, uint64_t* sequences) const {
    if (Result r = exists("cu_seqlens", cu_seqlens, true, 1); r != Result::ok) return r;
    const uint64_t entries = tensor(cu_seqlens).shape[0];
    if (batch != 1) return fail("cu_seqlens needs batch 1, not %llu", llu(batch));
    if (entries < 2) return fail("cu_seqlens has %llu entries and needs at least 2", llu(entries));
    *sequences = entries - 1;
    return in_range("the number of sequences in cu_seqlens", entries - 1, 1u << 24);
}

Result Checker::are_apart(const Expected* expected, size_t count) const {
    for (size_t i = 0; i < count; ++i)
        for (size_t j = 0; j < count; ++j) {
            if (i == j || !expected[i].written || expected[i].id == kNoTensor || expected[j].id == kNoTensor) continue;
            if (expected[i].in_place == expected[j].id) continue;
            if (expected[i].id == expected[j].id) return fail("%s and %s are the same tensor", expected[i].name, expected[j].name);
            const View a = graph_.view(expected[i].id), b = graph_.view(expected[j].id);
            if (a.tensor == b.tensor && boxes_meet(tensor(a.tensor), a, b))
                return fail("%s and %s may share elements of tensor %s", expected[i].name, expected[j].name, tensor(a.tensor).name);
        }
    return Result::ok;
}

}  // namespace scandium
