// What `scandium bench` measures: operators on random tensors of a given shape, checked before they are timed.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "problem.h"

namespace scandium::program {

// A tensor of a problem. Inputs hold random values from `low` to `high`; of i32 whole numbers under `below`, or any bits.
struct BenchTensor {
    std::string name;
    DType dtype = DType::none;
    std::vector<uint64_t> shape;
    bool input = true, output = false;  // both: updated in place
    double low = -1, high = 1;
    uint64_t below = 0;                    // 0: any bits
    std::optional<uint64_t> touched = {};  // bytes, where the operator needs less than all of it

    uint64_t elements() const;
    uint64_t bytes() const { return elements() * size_of(dtype); }
};

// What a device made of a problem's tensors, and what they were before.
class BenchData {
public:
    virtual ~BenchData() = default;
    virtual double input(const std::string& name, uint64_t index) const = 0;
    virtual double output(const std::string& name, uint64_t index) const = 0;
};

// The relative error of one output, over those elements that a float64 reference was computed for.
class SampledError {
public:
    SampledError(std::string of, double allowed) : name(std::move(of)), tolerance(allowed) {}
    void add(double got, double wanted);
    double value() const;  // NaN if an element is not finite or if there was none
    bool passed() const { return value() <= tolerance; }

    std::string name;
    double tolerance;
    uint64_t samples = 0;

private:
    double difference_ = 0, norm_ = 0;
};

struct BenchProblem {
    std::vector<BenchTensor> tensors;
    std::function<Result(Graph*, const std::function<TensorId(const char*)>&)> append;  // the ids of tensors by their names
    std::function<std::vector<SampledError>(const BenchData&)> check;
    double operations = 0;  // floating-point, of the fewest that the definition needs; 0: not counted
    uint64_t tokens = 0;    // or rows

    void input(const char* name, DType dtype, std::vector<uint64_t> shape, double low = -1, double high = 1);
    void output(const char* name, DType dtype, std::vector<uint64_t> shape);
    void indices(const char* name, std::vector<uint64_t> shape, uint64_t count);  // an input: i32 from 0 to count - 1
    uint64_t bytes() const;  // each input read once and each output written once, as far as needed
};

struct BenchChoices {
    DType dtype = DType::f32;
    DType state_dtype = DType::f32;
    SsdAlgorithm algorithm = SsdAlgorithm::automatic;
    Variant variant = Variant::automatic;
    uint32_t chunk_size = 0;
    uint32_t segments = 0;          // of the scans; 0: the plan's choice
    std::string weights = "dense";  // of linear: dense, q8 or q4
};

using Sizes = std::span<const uint64_t>;

struct BenchOp {
    const char* name;
    const char* pattern;              // of a shape: names of sizes, with x and , between them
    std::vector<std::string> shapes;  // those that are measured if none is asked for
    std::function<BenchProblem(Sizes sizes, const BenchChoices& choices)> make;
};

// The operators, each added by its file's function.
const std::vector<BenchOp>& bench_ops();
const BenchOp* find_bench_op(const std::string& name);  // null: there is none

// The sizes of a shape by an operator's pattern. Throws UsageError.
std::vector<uint64_t> parse_shape(const BenchOp& op, const std::string& text);

// A few indices below `count`, spread over all of it, the first and the last among them.
std::vector<uint64_t> some_of(uint64_t count, uint64_t most);

}  // namespace scandium::program
