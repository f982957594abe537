#include "problem.h"

#include <algorithm>
#include <cstring>

#include "files/text.h"

namespace scandium::program {
namespace {

constexpr std::string_view kExpected = "expected.";

// A few kilobytes can ask for terabytes of states: outputs may take this much, or this many times the inputs.
constexpr uint64_t kMostOutputBytes = 1ull << 30;
constexpr uint64_t kMostOutputFactor = 16;

std::string type_names(Problem::Types types) {
    std::string text;
    for (DType type : types) text += (text.empty() ? "" : " or ") + std::string(name_of(element_type_of(type)));
    return text;
}

bool is_in_file(const char* axis) { return std::strcmp(axis, "1") != 0; }

std::string axis_names(Problem::Axes axes) {
    std::string text;
    for (const char* axis : axes)
        if (is_in_file(axis)) text += (text.empty() ? "" : ", ") + std::string(axis);
    return "(" + text + ")";
}

}  // namespace

const SafetensorsEntry& Problem::require(const char* name, Types types, Axes axes) {
    const SafetensorsEntry* entry = optional(name, types, axes);
    if (!entry) case_.fail("tensor '%s' is missing", name);
    return *entry;
}

const SafetensorsEntry* Problem::optional(const char* name, Types types, Axes axes) {
    const SafetensorsEntry* entry = case_.file().find(name);
    if (!entry) return nullptr;
    const DType dtype = dtype_of(entry->type);
    if (std::find(types.begin(), types.end(), dtype) == types.end())
        case_.fail("tensor '%s' is %s; it must be %s", name, name_of(entry->type), type_names(types).c_str());
    if (entry->shape.size() != static_cast<size_t>(std::count_if(axes.begin(), axes.end(), is_in_file)))
        case_.fail("tensor '%s' has the shape %s; it must be %s", name, shape_text(entry->shape).c_str(), axis_names(axes).c_str());
    size_t index = 0;
    Input input{entry, dtype, {}};
    for (const char* axis : axes) {
        input.graph_shape.push_back(is_in_file(axis) ? entry->shape[index] : 1);
        if (!is_in_file(axis)) continue;
        const uint64_t length = entry->shape[index++];
        const auto [place, is_new] = axes_.try_emplace(axis, Axis{length, "in tensor '" + std::string(name) + "'"});
        if (length == 0) case_.fail("tensor '%s' has the shape %s: %s is 0", name, shape_text(entry->shape).c_str(), axis);
        if (length != place->second.length)
            case_.fail("tensor '%s' has the shape %s: %s is %llu, but %llu %s", name, shape_text(entry->shape).c_str(), axis,
                       static_cast<unsigned long long>(length), static_cast<unsigned long long>(place->second.length),
                       place->second.why.c_str());
    }
    inputs_.push_back(std::move(input));
    return entry;
}

void Problem::set_axis(const char* name, uint64_t length, const std::string& why) { axes_[name] = {length, why}; }

void Problem::output(const char* name, DType dtype, Axes axes, double tolerance) {
    Output output{name, dtype, {}, {}, size_of(dtype), tolerance};
    for (const char* axis : axes) {
        output.graph_shape.push_back(is_in_file(axis) ? axes_.at(axis).length : 1);
        if (!is_in_file(axis)) continue;
        const uint64_t length = axes_.at(axis).length;
        if (output.bytes > UINT64_MAX / length) case_.fail("output '%s' %s is too large", name, axis_names(axes).c_str());
        output.shape.push_back(length);
        output.bytes *= length;
    }
    outputs_.push_back(std::move(output));
}

std::vector<int32_t> Problem::read_integers(const SafetensorsEntry& entry) const {
    const std::vector<std::byte> data = case_.file().read(entry);
    std::vector<int32_t> values(entry.elements);
    std::memcpy(values.data(), data.data(), data.size());
    return values;
}

void Problem::finish(bool check) const {
    uint64_t read = 0, written = 0;
    for (const Input& input : inputs_) read += input.entry->bytes();
    for (const Output& output : outputs_) {
        if (output.bytes > std::max(kMostOutputBytes, kMostOutputFactor * read) - written)
            case_.fail("output '%s' %s has %llu bytes, which is out of proportion to the inputs' %llu", output.name.c_str(),
                       shape_text(output.shape).c_str(), static_cast<unsigned long long>(output.bytes),
                       static_cast<unsigned long long>(read));
        written += output.bytes;
    }
    for (const auto& [name, entry] : case_.file().entries()) {
        const bool is_input = std::any_of(inputs_.begin(), inputs_.end(), [&](const Input& input) { return input.entry == &entry; });
        const bool is_expected =
            std::any_of(outputs_.begin(), outputs_.end(), [&](const Output& output) { return expected(output) == &entry; });
        if (!is_input && !is_expected) case_.fail("op %s has no tensor %s", case_.op().c_str(), in_quotes(name).c_str());
    }
    if (check) check_expected();
}

void Problem::check_expected() const {
    bool any = false;
    for (const Output& output : outputs_) {
        const SafetensorsEntry* entry = expected(output);
        if (!entry) continue;
        any = true;
        const DType dtype = dtype_of(entry->type);
        if (dtype == DType::none || dtype == DType::i32)
            case_.fail("tensor %s is %s; it must be F32, F16 or BF16", in_quotes(entry->name).c_str(), name_of(entry->type));
        if (entry->shape != output.shape)
            case_.fail("tensor %s has the shape %s, but the output has %s", in_quotes(entry->name).c_str(),
                       shape_text(entry->shape).c_str(), shape_text(output.shape).c_str());
    }
    if (!any) case_.fail("there is no tensor '%s%s' to check against", std::string(kExpected).c_str(), outputs_.front().name.c_str());
}

}  // namespace scandium::program
