// What a sequence model is made of. Needs no device.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "scandium/sequence_model.h"

namespace scandium::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using Shapes = std::map<std::string, std::vector<uint64_t>>;

Shapes shapes_of(const SequenceModelConfig& config) {
    Shapes shapes;
    const auto add = [](void* user, const SequenceWeight& weight) {
        (*static_cast<Shapes*>(user))[weight.name] = {weight.shape, weight.shape + weight.rank};
    };
    REQUIRE(list_sequence_weights(config, add, &shapes) == Result::ok);
    return shapes;
}

std::string refusal(const SequenceModelConfig& config) {
    std::string message;
    const auto told = [](void* user, Result, VkResult, const char* text) { *static_cast<std::string*>(user) = text; };
    const auto ignore = [](void*, const SequenceWeight&) {};
    CHECK(list_sequence_weights(config, ignore, nullptr, told, &message) == Result::invalid_argument);
    CHECK(sequence_param_count(config) == 0);
    return message;
}

TEST_CASE("sequence config: weights are those of Mamba-2 between two projections") {
    SequenceModelConfig config = real_time_sequence_config(287, 30);
    config.hidden_size = 96;
    config.state_size = 24;
    config.conv_size = 3;
    config.num_layers = 1;
    const Shapes expected = {
        {"input_proj.weight", {96, 287}},
        {"input_proj.bias", {96}},
        {"layers.0.norm.weight", {96}},
        {"layers.0.mixer.in_proj.weight", {2 * 192 + 2 * 24 + 3, 96}},
        {"layers.0.mixer.conv1d.weight", {192 + 2 * 24, 1, 3}},
        {"layers.0.mixer.conv1d.bias", {192 + 2 * 24}},
        {"layers.0.mixer.dt_bias", {3}},
        {"layers.0.mixer.A_log", {3}},
        {"layers.0.mixer.D", {3}},
        {"layers.0.mixer.norm.weight", {192}},
        {"layers.0.mixer.out_proj.weight", {96, 192}},
        {"norm_f.weight", {96}},
        {"output_proj.weight", {30, 96}},
        {"output_proj.bias", {30}},
    };
    CHECK(shapes_of(config) == expected);
    uint64_t elements = 0;
    for (const auto& [name, shape] : expected) {
        uint64_t product = 1;
        for (uint64_t size : shape) product *= size;
        elements += product;
    }
    CHECK(sequence_param_count(config) == elements);
    config.num_layers = 4;
    CHECK(shapes_of(config).size() == expected.size() + 3 * 9);
}

TEST_CASE("sequence config: the head's size is a power of two that divides the channels, or what is asked for") {
    SequenceModelConfig config = real_time_sequence_config(4, 4);
    const auto heads = [&] { return shapes_of(config)["layers.0.mixer.D"][0]; };
    CHECK(heads() == 512 / 64);
    config.hidden_size = 20;
    CHECK(heads() == 40 / 8);
    config.hidden_size = 7;
    config.expand_factor = 1;
    CHECK(heads() == 7);
    config.headdim = 7;
    CHECK(heads() == 1);
}

TEST_CASE("sequence config: the two sets of defaults") {
    const SequenceModelConfig real_time = real_time_sequence_config(10, 3), throughput = throughput_sequence_config(10, 3);
    CHECK(real_time.window_size == 60);
    CHECK(real_time.mode == SequenceMode::recurrent);
    CHECK(throughput.mode == SequenceMode::chunked);
    CHECK(throughput.chunk_size > real_time.chunk_size);
    // The same weights serve both.
    CHECK(shapes_of(real_time) == shapes_of(throughput));
    CHECK(std::string(to_string(throughput.mode)) == "chunked");
}

TEST_CASE("sequence config: options out of range are refused by name, with the limit") {
    SequenceModelConfig config = real_time_sequence_config(10, 3);
    const auto says = [&](uint32_t SequenceModelConfig::*option, uint32_t value, const char* words) {
        SequenceModelConfig changed = config;
        changed.*option = value;
        CHECK_THAT(refusal(changed), ContainsSubstring(words));
    };
    using Config = SequenceModelConfig;
    says(&Config::embed_dim, 0, "embed_dim is 0, but 1 to 65536 is expected");
    says(&Config::output_size, 65537, "output_size is 65537");
    says(&Config::hidden_size, 4097, "hidden_size is 4097, but 1 to 4096");
    says(&Config::state_size, 513, "state_size is 513");
    says(&Config::expand_factor, 0, "expand_factor is 0");
    says(&Config::conv_size, 1, "conv_size is 1, but 2 to 8");
    says(&Config::num_layers, 0, "num_layers is 0");
    says(&Config::window_size, 0, "window_size is 0");
    says(&Config::chunk_size, 24, "chunk_size is 24, but a multiple of 16");
    says(&Config::chunk_size, 272, "chunk_size is 272");
    says(&Config::headdim, 96, "headdim is 96, but a divisor of the 512 channels");
    config.norm_eps = std::numeric_limits<float>::quiet_NaN();
    CHECK_THAT(refusal(config), ContainsSubstring("norm_eps"));
    config.norm_eps = 1e-5f;
    config.mode = static_cast<SequenceMode>(3);
    CHECK_THAT(refusal(config), ContainsSubstring("mode is 3"));
    CHECK(list_sequence_weights(config, nullptr, nullptr) == Result::invalid_argument);
}

}  // namespace
}  // namespace scandium::test
