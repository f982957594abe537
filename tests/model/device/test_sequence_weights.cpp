// Where sequence models get their weights from, and what they refuse.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "files/safetensors.h"
#include "model/device/sequence_case.h"
#include "program/files.h"
#include "support/compare.h"

namespace scandium::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using program::TempFolder;

void write_file(const std::string& path, const std::vector<SequenceWeight>& weights, ElementType type = ElementType::f32) {
    std::vector<SafetensorsTensor> tensors;
    for (const SequenceWeight& weight : weights)
        tensors.push_back(
            {weight.name, type, {weight.shape, weight.shape + weight.rank}, {static_cast<const std::byte*>(weight.data), weight.size}});
    write_safetensors(path, tensors, {});
}

SequenceModelPtr load(const SequenceModelDesc& desc) {
    SequenceModel* model = nullptr;
    const Result result = load_sequence_model(desc, &model);
    INFO(sequence_message());
    REQUIRE(result == Result::ok);
    return SequenceModelPtr(model);
}

// What refuses this, from a file and from memory.
void check_refused(const SequenceCase& c, const std::vector<SequenceWeight>& weights, const std::vector<std::string>& words) {
    const TempFolder folder;
    const std::string path = folder.path("policy.safetensors");
    write_file(path, weights);
    for (const bool from_file : {true, false}) {
        CAPTURE(from_file);
        SequenceModelDesc desc = sequence_desc(c);
        if (from_file)
            desc.file = path.c_str();
        else
            desc.weights = {weights.data(), weights.size()};
        SequenceModel* model = nullptr;
        CHECK(load_sequence_model(desc, &model) == Result::invalid_argument);
        CHECK(model == nullptr);
        for (const std::string& word : words) CHECK_THAT(sequence_message(), ContainsSubstring(word));
        CHECK_THAT(sequence_message(), ContainsSubstring(from_file ? path : std::string("load_sequence_model")));
    }
}

size_t index_of(const std::vector<SequenceWeight>& weights, const std::string& name) {
    const auto place = std::find_if(weights.begin(), weights.end(), [&](const SequenceWeight& weight) { return weight.name == name; });
    REQUIRE(place != weights.end());
    return size_t(place - weights.begin());
}

TEST_CASE("sequence weights: a file gives what memory gives, and param_count is what is in it") {
    const SequenceCase c(odd_sequence_config());
    const TempFolder folder;
    const std::string path = folder.path("policy.safetensors");
    write_file(path, c.named());
    SequenceModelDesc desc = sequence_desc(c);
    desc.file = path.c_str();
    const SequenceModelPtr from_file = load(desc), from_memory = open_sequence(c);
    const Vector features = c.features(c.config.window_size, 1);
    const std::vector<float> outputs = run_window(from_file.get(), 1, true, features);
    CHECK(outputs == run_window(from_memory.get(), 1, true, features));
    CHECK(std::any_of(outputs.begin(), outputs.end(), [](float value) { return value != 0; }));
    const SafetensorsFile file(path);
    uint64_t elements = 0;
    for (const auto& [name, entry] : file.entries()) elements += entry.elements;
    CHECK(sequence_param_count(c.config) == elements);
    CHECK(sequence_model_info(from_file.get()).parameters == elements);
    CHECK(sequence_model_info(from_file.get()).weight_bytes >= elements * sizeof(float));
}

TEST_CASE("sequence weights: every one of them counts") {
    SequenceModelConfig config = odd_sequence_config();
    config.num_layers = 1;
    config.window_size = 4;
    SequenceCase c(config);
    const Vector features = c.features(4, 2);
    const std::vector<float> before = run_window(open_sequence(c).get(), 1, true, features);
    for (size_t i = 0; i < c.names.size(); ++i) {
        CAPTURE(c.names[i]);
        const std::vector<float> kept = c.values[i];
        for (float& value : c.values[i]) value += 0.5f;
        CHECK(relative_rms(run_window(open_sequence(c).get(), 1, true, features), before) > 1e-4);
        c.values[i] = kept;
    }
}

TEST_CASE("sequence weights: a missing, an extra and a wrong one are named, with what was found and what is expected") {
    const SequenceCase c(odd_sequence_config());
    std::vector<SequenceWeight> weights = c.named();
    SECTION("missing") {
        weights.erase(weights.begin() + ptrdiff_t(index_of(weights, "layers.1.mixer.A_log")));
        check_refused(c, weights, {"'layers.1.mixer.A_log' is missing", "(5) is expected"});
    }
    SECTION("extra") {
        weights.push_back(weights[index_of(weights, "input_proj.weight")]);
        weights.back().name = "value_head.weight";
        check_refused(c, weights, {"'value_head.weight'", "(20, 7)", "none that this sequence model has"});
    }
    SECTION("of another shape") {
        SequenceWeight& weight = weights[index_of(weights, "input_proj.weight")];
        std::swap(weight.shape[0], weight.shape[1]);
        check_refused(c, weights, {"'input_proj.weight'", "(7, 20)", "(20, 7) is expected"});
    }
    SECTION("a convolution without its axis of 1") {
        SequenceWeight& weight = weights[index_of(weights, "layers.0.mixer.conv1d.weight")];
        weight.rank = 2;
        weight.shape[1] = weight.shape[2];
        check_refused(c, weights, {"'layers.0.mixer.conv1d.weight'", "(64, 3)", "(64, 1, 3) is expected"});
    }
}

TEST_CASE("sequence weights: what only memory can get wrong") {
    const SequenceCase c(odd_sequence_config());
    std::vector<SequenceWeight> weights = c.named();
    const auto refused = [&](const char* words) {
        SequenceModelDesc desc = sequence_desc(c);
        desc.weights = {weights.data(), weights.size()};
        SequenceModel* model = nullptr;
        CHECK(load_sequence_model(desc, &model) == Result::invalid_argument);
        CHECK_THAT(sequence_message(), ContainsSubstring(words));
    };
    SECTION("twice") {
        weights.push_back(weights[3]);
        refused("is given twice");
    }
    SECTION("too few bytes") {
        weights[2].size -= 4;
        refused("has 76 bytes, but 80 are expected");
    }
    SECTION("no data") {
        weights[2].data = nullptr;
        refused("has no data");
    }
    SECTION("integers") {
        weights[2].dtype = DType::i32;
        refused("F32, F16 or BF16 is expected");
    }
    SECTION("too many axes") {
        weights[2].rank = 4;
        refused("rank");
    }
}

TEST_CASE("sequence models: arguments and options that are out of range are refused with a sentence") {
    const SequenceCase c(odd_sequence_config());
    SequenceModelDesc desc = sequence_desc(c);
    SequenceModel* model = nullptr;
    const auto says = [](Result result, const char* words) {
        CHECK(result == Result::invalid_argument);
        CHECK_THAT(sequence_message(), ContainsSubstring(words));
    };
    says(load_sequence_model(desc, &model), "0 are set, but one is expected");
    desc.random_weights = true;
    desc.file = "policy.safetensors";
    says(load_sequence_model(desc, &model), "2 are set");
    desc.random_weights = false;
    says(load_sequence_model(desc, &model), "policy.safetensors");
    says(load_sequence_model(desc, nullptr), "out is null");
    desc.device = nullptr;
    says(load_sequence_model(desc, &model), "device is null");
    const SequenceModelPtr owned = open_sequence(c);
    SequenceStream* stream = nullptr;
    says(create_sequence_stream(owned.get(), {0, 0}, &stream), "agents is 0");
    says(create_sequence_stream(owned.get(), {2, 3}, &stream), "batch is 3");
    says(create_sequence_stream(owned.get(), {65536, 1}, &stream), "agents is 65536");
    CHECK(stream == nullptr);
    SequenceWindow* window = nullptr;
    says(create_sequence_window(owned.get(), {0, false}, &window), "batch is 0");
    TestStream two(owned.get(), 2);
    const uint32_t agents[] = {0, 2};
    std::vector<char> bytes = two.save(0);
    says(reset_agents(two.get(), agents), "agent 2 is not one of the stream's 2");
    says(copy_agent(two.get(), 2, 0), "agent 2");
    says(load_agent(two.get(), 0, bytes.data(), bytes.size() - 1), "size is");
    says(save_agent(two.get(), 5, bytes.data(), bytes.size()), "agent 5");
    bytes[0] = 'x';
    says(load_agent(two.get(), 0, bytes.data(), bytes.size()), "no saved state");
    CHECK(reset_agents(nullptr, agents) == Result::invalid_argument);
}

TEST_CASE("sequence models: random weights are the same each time, and give finite outputs") {
    const SequenceCase c(throughput_sequence_config(40, 6));
    SequenceModelDesc desc = sequence_desc(c);
    desc.random_weights = true;
    std::vector<float> first;
    for (int i = 0; i < 2; ++i) {
        const std::vector<float> outputs = run_window(load(desc).get(), 2, false, c.features(120, 4));
        CHECK(std::all_of(outputs.begin(), outputs.end(), [](float value) { return std::isfinite(value) && value != 0; }));
        if (i == 0) first = outputs;
        CHECK(outputs == first);
    }
}

}  // namespace
}  // namespace scandium::test
