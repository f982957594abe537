// What configurations may ask for, one option after the other, against a float64 recurrence.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "model/checkpoint_keys.h"
#include "model/config.h"
#include "model/device/language_case.h"
#include "model/device/language_ref.h"
#include "program/files.h"
#include "support/compare.h"
#include "support/random.h"

namespace scandium::test {
namespace {

using program::TempFolder;
using program::write_bytes;

// Writes a model with random weights, and returns these.
LanguageRef::Weights write_model(const TempFolder& folder, const std::string& json, ModelConfig* config) {
    write_bytes(folder.path("config.json"), json);
    *config = read_model_config(folder.path("config.json"));
    Random random(11);
    LanguageRef::Weights weights;
    std::vector<std::vector<float>> data;
    std::vector<std::string> keys;
    const std::vector<WeightSpec> specs = weights_of(*config);
    for (const WeightSpec& spec : specs) {
        Vector& values = weights[{spec.role, spec.layer}];
        const bool is_norm = spec.role == WeightRole::norm || spec.role == WeightRole::gated_norm || spec.role == WeightRole::final_norm;
        const double spread = is_norm || spec.rank == 1 ? 0.5 : 1.5 / std::sqrt(double(spec.shape[1]));
        for (double value : random.normals(spec.elements(), DType::f32))
            values.push_back(double(float((is_norm ? 1 : 0) + spread * value - (spec.role == WeightRole::dt_bias ? 1 : 0))));
        data.emplace_back(values.begin(), values.end());
        keys.push_back(keys_of(*config, spec, "backbone.")[0]);
    }
    std::vector<SafetensorsTensor> tensors;
    for (size_t i = 0; i < specs.size(); ++i)
        tensors.push_back({keys[i], ElementType::f32, file_shape(specs[i]), std::as_bytes(std::span(data[i]))});
    write_safetensors(folder.path("model.safetensors"), tensors, {});
    return weights;
}

constexpr const char* kMamba2 =
    R"("d_model": 24, "n_layer": 2, "vocab_size": 50, "pad_vocab_size_multiple": 16, "ssm_cfg": {"layer": "Mamba2",)";
constexpr const char* kHeads = R"("d_state": 12, "headdim": 8, "ngroups": 2)";

std::string mamba2(const std::string& more) { return std::string("{") + kMamba2 + kHeads + more + "}}"; }

TEST_CASE("options of configurations: prefill and decode as the recurrence") {
    const auto [name, json] = GENERATE(
        std::pair<std::string, std::string>("plain", mamba2("")),
        std::pair<std::string, std::string>("gated MLP", mamba2(R"(, "d_ssm": 32)")),
        std::pair<std::string, std::string>("norm before gate", mamba2(R"(, "norm_before_gate": true)")),
        std::pair<std::string, std::string>("no gated norm", mamba2(R"(, "rmsnorm": false, "d_ssm": 16)")),
        std::pair<std::string, std::string>("D for each channel", mamba2(R"(, "D_has_hdim": true)")),
        std::pair<std::string, std::string>("biases", mamba2(R"(, "bias": true, "conv_bias": false)")),
        std::pair<std::string, std::string>("limits of dt, width 3", mamba2(R"(, "dt_limit": [0.2, 0.5], "d_conv": 3)")),
        std::pair<std::string, std::string>(
            "untied head, mamba1 with biases",
            R"({"d_model": 24, "n_layer": 2, "vocab_size": 50, "tie_embeddings": false, "ssm_cfg": {"layer": "Mamba1", "d_state": 6, "bias": true}})"),
        std::pair<std::string, std::string>(
            "falcon",
            R"({"model_type": "falcon_mamba", "hidden_size": 24, "num_hidden_layers": 2, "vocab_size": 50, "intermediate_size": 40,
                "state_size": 6, "time_step_rank": 5, "mixer_rms_eps": 0.001, "tie_word_embeddings": false})"));
    CAPTURE(name);
    const TempFolder folder;
    ModelConfig config;
    const LanguageRef::Weights weights = write_model(folder, json, &config);
    LanguageRef ref(config, weights);
    std::string path = folder.path("config.json");
    path.resize(path.size() - std::string("/config.json").size());
    const ModelPtr model = open_model(path);
    SessionOptions options;
    options.chunk = 5;
    options.every_logits = true;
    TestSession session(model.get(), options);
    std::vector<int32_t> ids;
    for (int32_t i = 0; i < 13; ++i) ids.push_back((i * 17 + 3) % 50);
    Vector expected;
    for (int32_t id : ids) {
        const Vector logits = ref.step(id);
        expected.insert(expected.end(), logits.begin(), logits.end());
    }
    // Random weights dampen no rounding error, as trained ones do.
    CHECK(relative_rms(session.every(0, ids), expected) <= 2e-5);
    for (int32_t id : {7, 21, 49}) CHECK(relative_rms(session.step({id}, {0}), ref.step(id)) <= 2e-5);
}

}  // namespace
}  // namespace scandium::test
