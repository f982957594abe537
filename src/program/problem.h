// What an operator makes of a case: its tensors, checked, and how to append it to a graph. No device is needed for
// this, so that a faulty case is refused before anything is set up.
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "case.h"
#include "scandium/ops/ssd_scan.h"

namespace scandium::program {

// What the command line says about how an operator is to be computed. An operator takes what it has a use for.
struct Choices {
    Variant variant = Variant::automatic;
    SsdAlgorithm algorithm = SsdAlgorithm::automatic;
    std::optional<uint32_t> chunk_size;  // in place of the case's; 0: the plan's choice
};

struct Input {
    const SafetensorsEntry* entry = nullptr;
    DType dtype = DType::none;
    std::vector<uint64_t> graph_shape;  // with the operator's axes of 1 that the file lacks
};

struct Output {
    std::string name;
    DType dtype = DType::none;
    std::vector<uint64_t> shape, graph_shape;  // graph_shape: with the operator's axes of 1 that the file lacks
    uint64_t bytes = 0;
    double tolerance = 0;  // for the relative error, unless the command line has another
};

// The graph's ids of a problem's tensors; kNoTensor for one that the case lacks.
struct TensorIds {
    std::map<std::string, TensorId, std::less<>> inputs, outputs;

    TensorId in(std::string_view name) const { return look_up(inputs, name); }
    TensorId out(std::string_view name) const { return look_up(outputs, name); }

private:
    static TensorId look_up(const std::map<std::string, TensorId, std::less<>>& ids, std::string_view name) {
        const auto place = ids.find(name);
        return place == ids.end() ? kNoTensor : place->second;
    }
};

class Problem {
public:
    using Types = std::initializer_list<DType>;
    using Axes = std::initializer_list<const char*>;

    explicit Problem(Case of) : case_(std::move(of)) {}
    Problem(Problem&&) = default;

    // For operators. Axes are named: the first tensor that has one says how long it is, and the others must agree.
    // An axis named "1" is one of the operator's that the file's tensor lacks. Throw FileError.
    const SafetensorsEntry& require(const char* name, Types types, Axes axes);
    const SafetensorsEntry* optional(const char* name, Types types, Axes axes);  // null if the case lacks it
    void output(const char* name, DType dtype, Axes axes, double tolerance);
    void set_axis(const char* name, uint64_t length, const std::string& why);
    uint64_t axis(const char* name) const { return axes_.at(name).length; }
    std::vector<int32_t> read_integers(const SafetensorsEntry& entry) const;

    std::function<Result(Graph*, const TensorIds&)> append;
    std::string summary;  // sizes and options, for people

    // For whoever runs it.
    const Case& source() const { return case_; }
    const std::vector<Input>& inputs() const { return inputs_; }
    const std::vector<Output>& outputs() const { return outputs_; }
    const SafetensorsEntry* expected(const Output& output) const { return case_.file().find("expected." + output.name); }

    // Refuses tensors that nobody asked for, outputs beyond all measure and, for a check, missing or unfit expectations.
    void finish(bool check) const;

private:
    struct Axis {
        uint64_t length = 0;
        std::string why;  // the tensor that said so
    };
    void check_expected() const;

    Case case_;
    std::vector<Input> inputs_;
    std::vector<Output> outputs_;
    std::map<std::string, Axis, std::less<>> axes_;
};

}  // namespace scandium::program
