#include "bench.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "commands.h"
#include "files/text.h"

namespace scandium::program {

// The list: bench_NAME.cpp adds what it has.
#define SCANDIUM_BENCH_FILES(FILE) \
    FILE(ssd_scan)                 \
    FILE(selective_scan) FILE(selective_state_update) FILE(causal_conv1d) FILE(linear) FILE(rows) FILE(embedding) FILE(segsum)

#define SCANDIUM_DECLARE(name) void add_bench_##name(std::vector<BenchOp>* ops);
SCANDIUM_BENCH_FILES(SCANDIUM_DECLARE)

namespace {

constexpr uint64_t kMostElements = uint64_t(1) << 36;

std::vector<BenchOp> make_ops() {
    std::vector<BenchOp> ops;
#define SCANDIUM_ADD(name) add_bench_##name(&ops);
    SCANDIUM_BENCH_FILES(SCANDIUM_ADD)
    return ops;
}

// The text up to the next separator, which is left at the front of `text`.
std::string_view take_word(std::string_view* text) {
    const size_t end = std::min(text->find_first_of("x,"), text->size());
    const std::string_view word = text->substr(0, end);
    text->remove_prefix(end);
    return word;
}

}  // namespace

uint64_t BenchTensor::elements() const {
    uint64_t count = 1;
    for (uint64_t length : shape) {
        if (length != 0 && count > kMostElements / length)
            throw UsageError(format("tensor %s would have more than 2^36 elements", name.c_str()));
        count *= length;
    }
    return count;
}

void SampledError::add(double got, double wanted) {
    difference_ += (got - wanted) * (got - wanted);
    norm_ += wanted * wanted;
    ++samples;
}

double SampledError::value() const {
    if (!std::isfinite(difference_) || !std::isfinite(norm_) || samples == 0) return std::numeric_limits<double>::quiet_NaN();
    if (norm_ > 0) return std::sqrt(difference_ / norm_);
    return difference_ > 0 ? std::numeric_limits<double>::infinity() : 0;
}

void BenchProblem::input(const char* name, DType dtype, std::vector<uint64_t> shape, double low, double high) {
    tensors.push_back({name, dtype, std::move(shape), true, false, low, high});
}

void BenchProblem::output(const char* name, DType dtype, std::vector<uint64_t> shape) {
    tensors.push_back({name, dtype, std::move(shape), false, true});
}

void BenchProblem::indices(const char* name, std::vector<uint64_t> shape, uint64_t count) {
    input(name, DType::i32, std::move(shape));
    tensors.back().below = count;
}

uint64_t BenchProblem::bytes() const {
    uint64_t sum = 0;
    for (const BenchTensor& tensor : tensors) sum += tensor.touched.value_or(tensor.bytes()) * (tensor.input + tensor.output);
    return sum;
}

const std::vector<BenchOp>& bench_ops() {
    static const std::vector<BenchOp> ops = make_ops();
    return ops;
}

const BenchOp* find_bench_op(const std::string& name) {
    for (const BenchOp& op : bench_ops())
        if (name == op.name) return &op;
    return nullptr;
}

std::vector<uint64_t> parse_shape(const BenchOp& op, const std::string& text) {
    const auto fail = [&](const char* what) {
        return UsageError(format("--shape: %s %s; %s takes %s", in_quotes(text).c_str(), what, op.name, op.pattern));
    };
    std::vector<uint64_t> sizes;
    std::string_view rest = text, pattern = op.pattern;
    for (;;) {
        uint64_t size = 0;
        if (!parse_number(take_word(&rest), &size) || size == 0) throw fail("has a size that is no whole number above 0");
        sizes.push_back(size);
        take_word(&pattern);
        if (pattern.empty() && rest.empty()) return sizes;
        if (pattern.empty() || rest.empty() || pattern.front() != rest.front()) throw fail("is not a shape");
        pattern.remove_prefix(1);
        rest.remove_prefix(1);
    }
}

std::vector<uint64_t> some_of(uint64_t count, uint64_t most) {
    std::vector<uint64_t> indices;
    const uint64_t taken = std::min(count, most);
    for (uint64_t i = 0; i < taken; ++i) indices.push_back(taken == 1 ? 0 : i * (count - 1) / (taken - 1));
    return indices;
}

}  // namespace scandium::program
