#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "model/model_files.h"

using namespace scandium;
using namespace scandium::test;

namespace {

struct ConfigFile {
    TempFolder folder;
    std::string path = folder.path("config.json");

    explicit ConfigFile(const std::string& text) { write_bytes(path, text); }
    ModelConfig read() const { return read_model_config(path); }
};

const std::string kMamba2 = R"("model_type": "mamba2", "hidden_size": 64, "num_heads": 8, "head_dim": 16, "n_groups": 2)";

}  // namespace

TEST_CASE("the bundled model's configuration") {
    const ModelConfig c = read_model_config(sample_model("shakespeare-mamba2/config.json"));
    CHECK(c.kind == ModelKind::mamba2);
    CHECK(c.vocab_size == 256);
    CHECK(c.padded_vocab_size == 256);
    CHECK(c.d_model == 416);
    CHECK(c.n_layer == 6);
    CHECK(c.d_inner == 832);
    CHECK(c.d_ssm == 832);
    CHECK(c.nheads == 13);
    CHECK(c.headdim == 64);
    CHECK(c.dstate == 64);
    CHECK(c.ngroups == 1);
    CHECK(c.conv_width == 4);
    CHECK(c.chunk_size == 128);
    CHECK(c.gated_norm);
    CHECK_FALSE(c.norm_before_gate);
    CHECK(c.norm_group_size == 832);
    CHECK(c.tied_head);
    CHECK(c.dt_min == 0);
    CHECK(std::isinf(c.dt_max));
    CHECK(c.weight_type == DType::bf16);
    CHECK(c.begin_token == 10);
    CHECK(c.end_token_count == 0);
    CHECK(d_in_proj(c) == 1805);
    CHECK(conv_dim(c) == 960);
    CHECK(d_mlp(c) == 0);
}

TEST_CASE("the reference models' configurations") {
    const ModelConfig one = read_model_config(reference("lm_mamba1_tiny/config.json"));
    CHECK(one.kind == ModelKind::mamba1);
    CHECK(one.d_inner == 128);
    CHECK(one.dt_rank == 4);
    CHECK(one.dstate == 16);
    CHECK(one.tied_head);
    CHECK_FALSE(one.dt_B_C_norm);
    CHECK(one.end_token_count == 1);
    CHECK(one.end_tokens[0] == 0);
    const ModelConfig two = read_model_config(reference("lm_mamba2_tiny/config.json"));
    CHECK(two.kind == ModelKind::mamba2);
    CHECK(two.ngroups == 2);
    CHECK(two.norm_group_size == 128);
    CHECK_FALSE(two.tied_head);
    CHECK(std::isinf(two.dt_max));
}

TEST_CASE("keys that a transformers file leaves out have that library's defaults") {
    const ModelConfig one = ConfigFile(R"({"model_type": "mamba"})").read();
    CHECK(one.d_model == 768);
    CHECK(one.n_layer == 32);
    CHECK(one.vocab_size == 50280);
    CHECK(one.d_inner == 1536);
    CHECK(one.dt_rank == 48);
    CHECK(one.tied_head);
    CHECK(one.conv_bias);
    CHECK_FALSE(one.proj_bias);
    const ModelConfig two = ConfigFile(R"({"model_type": "mamba2", "time_step_rank": "auto", "pad_token_id": null})").read();
    CHECK(two.d_model == 4096);
    CHECK(two.nheads == 128);
    CHECK(two.ngroups == 8);
    CHECK(two.dstate == 128);
    CHECK(two.vocab_size == 32768);
    CHECK_FALSE(two.tied_head);
    CHECK(two.norm_group_size == 8192);
}

TEST_CASE("Falcon's files have an 'expand' that does not count, and norms of dt, B and C") {
    const ModelConfig c = ConfigFile(R"({"model_type": "falcon_mamba", "hidden_size": 4096, "expand": 16, "intermediate_size": 8192,
        "time_step_rank": 256, "num_hidden_layers": 64, "vocab_size": 65024, "tie_word_embeddings": false, "eos_token_id": 11})")
                              .read();
    CHECK(c.kind == ModelKind::mamba1);
    CHECK(c.d_inner == 8192);
    CHECK(c.dt_B_C_norm);
    CHECK(c.dt_B_C_norm_eps == 1e-6f);
    CHECK_FALSE(c.tied_head);
    CHECK(c.end_tokens[0] == 11);
}

TEST_CASE("Codestral's file: gated first, and normalised by groups as it was trained") {
    const ModelConfig c = ConfigFile(R"({"model_type": "mamba2", "n_groups": 8, "intermediate_size": 8192, "norm_before_gate": true,
        "rms_norm": true, "time_step_limit": [0.0, Infinity], "time_step_rank": 256, "eos_token_id": [1, 2]})")
                              .read();
    CHECK_FALSE(c.norm_before_gate);
    CHECK(c.norm_group_size == 1024);
    CHECK(c.end_token_count == 2);
}

TEST_CASE("infinity is written in two ways") {
    for (const char* text : {"Infinity", R"({"__float__": "Infinity"})", "1e39"}) {
        const ModelConfig c = ConfigFile("{" + kMamba2 + ", \"time_step_limit\": [0.001, " + text + "]}").read();
        CHECK(c.dt_min == 0.001f);
        CHECK(std::isinf(c.dt_max));
    }
    CHECK(ConfigFile("{" + kMamba2 + ", \"time_step_limit\": [0.0, 0.5]}").read().dt_max == 0.5f);
}

TEST_CASE("state-spaces' own keys") {
    const ModelConfig one = ConfigFile(R"({"d_model": 768, "n_layer": 24, "vocab_size": 50277, "ssm_cfg": {}, "rms_norm": true,
        "residual_in_fp32": true, "fused_add_norm": true, "pad_vocab_size_multiple": 8})")
                                .read();
    CHECK(one.kind == ModelKind::mamba1);
    CHECK(one.vocab_size == 50277);
    CHECK(one.padded_vocab_size == 50280);
    CHECK(one.dt_rank == 48);
    CHECK(one.tied_head);
    const ModelConfig two = ConfigFile(R"({"d_model": 768, "d_intermediate": 0, "n_layer": 24, "vocab_size": 50277,
        "ssm_cfg": {"layer": "Mamba2"}, "attn_layer_idx": [], "attn_cfg": {}, "rms_norm": true, "residual_in_fp32": true,
        "fused_add_norm": true, "pad_vocab_size_multiple": 16, "tie_embeddings": true})")
                                .read();
    CHECK(two.kind == ModelKind::mamba2);
    CHECK(two.padded_vocab_size == 50288);
    CHECK(two.nheads == 24);
    CHECK(two.dstate == 128);
    CHECK(two.ngroups == 1);
    const ModelConfig all = ConfigFile(R"({"d_model": 64, "n_layer": 1, "vocab_size": 8, "tie_embeddings": false,
        "residual_in_fp32": false, "ssm_cfg": {"layer": "Mamba2", "d_state": 16, "d_conv": 3, "expand": 2, "headdim": 8, "d_ssm": 96,
        "ngroups": 4, "D_has_hdim": true, "rmsnorm": true, "norm_before_gate": true, "dt_limit": [0.0, 1.0], "bias": true,
        "conv_bias": false, "chunk_size": 32}})")
                                .read();
    CHECK(all.d_inner == 128);
    CHECK(all.d_ssm == 96);
    CHECK(d_mlp(all) == 32);
    CHECK(all.nheads == 12);
    CHECK(all.norm_group_size == 24);
    CHECK(all.norm_before_gate);
    CHECK(all.D_has_headdim);
    CHECK(all.proj_bias);
    CHECK_FALSE(all.conv_bias);
    CHECK_FALSE(all.residual_in_f32);
    CHECK(all.conv_width == 3);
    CHECK(d_in_proj(all) == 2 * 128 + 2 * 4 * 16 + 12);
    CHECK(conv_dim(all) == 96 + 2 * 4 * 16);
}

TEST_CASE("what is wrong is said with the file, the key, what was found and what is expected") {
    const auto refused = [](const std::string& text, const std::vector<std::string>& parts) {
        const ConfigFile file(text);
        INFO(text);
        std::string message;
        try {
            file.read();
        } catch (const FileError& error) {
            message = error.what();
        }
        CHECK_THAT(message, Catch::Matchers::StartsWith(file.path + ": "));
        for (const std::string& part : parts) CHECK_THAT(message, Catch::Matchers::ContainsSubstring(part));
    };
    refused("{}", {"'model_type'", "'d_model'"});
    refused("[]", {"a list of 0", "an object is expected"});
    refused("{\"model_type\": \"mamba2\"", {"not JSON", "byte"});
    refused(R"({"model_type": "mamba2", "model_type": "mamba"})", {"'model_type' twice"});
    refused(R"({"model_type": "llama", "hidden_size": 64})", {"'llama'", "'mamba2'"});
    refused(R"({"model_type": "mamba", "hidden_size": 0})", {"'hidden_size' is 0", "from 1 to 1048576"});
    refused(R"({"model_type": "mamba", "hidden_size": -8})", {"'hidden_size' is -8"});
    refused(R"({"model_type": "mamba", "hidden_size": 1e30})", {"'hidden_size' is 1e+30"});
    refused(R"({"model_type": "mamba", "hidden_size": 99999999999999999999})", {"'hidden_size'"});
    refused(R"({"model_type": "mamba", "hidden_size": "64"})", {"'hidden_size' is '64'"});
    refused(R"({"model_type": "mamba", "num_hidden_layers": 5000})", {"'num_hidden_layers' is 5000", "4096"});
    refused(R"({"model_type": "mamba", "use_bias": 1})", {"'use_bias' is 1", "true or false"});
    refused(R"({"model_type": "mamba", "hidden_act": "gelu"})", {"'hidden_act' is 'gelu'", "'silu'"});
    refused(R"({"model_type": "mamba", "time_step_rank": "half"})", {"'time_step_rank' is 'half'", "'auto'"});
    refused(R"({"model_type": "mamba", "hidden_size": 7, "expand": 1.5})", {"'expand' is 1.5", "whole number"});
    refused(R"({"model_type": "mamba", "expand": NaN})", {"'expand' is nan", "a number"});
    refused(R"({"model_type": "mamba", "expand": Infinity})", {"'expand' is inf"});
    refused(R"({"model_type": "mamba", "layer_norm_epsilon": -1})", {"norm_eps is -1"});
    refused(R"({"model_type": "mamba2", "hidden_size": 64, "num_heads": 7, "head_dim": 16})", {"'num_heads' 7", "'head_dim' 16", "128"});
    refused(R"({"model_type": "mamba2", "hidden_size": 64, "num_heads": 8, "head_dim": 16, "n_groups": 3})",
            {"'n_groups' is 3", "8 heads"});
    refused("{" + kMamba2 + ", \"intermediate_size\": 100}", {"'intermediate_size' is 100", "128"});
    refused("{" + kMamba2 + ", \"time_step_limit\": [0.5, 0.1]}", {"'time_step_limit[1]' is 0.1"});
    refused("{" + kMamba2 + ", \"time_step_limit\": [0.5]}", {"'time_step_limit' is a list of 1", "a list of 2"});
    refused("{" + kMamba2 + ", \"time_step_limit\": [-1.0, 1.0]}", {"'time_step_limit[0]' is -1"});
    refused("{" + kMamba2 + R"(, "time_step_limit": [0.0, {"__float__": "big"}]})", {"'time_step_limit[1].__float__' is 'big'"});
    refused(R"({"d_model": 64, "ssm_cfg": {"layer": "Mamba3"}})", {"'ssm_cfg.layer' is 'Mamba3'", "'Mamba2'"});
    refused(R"({"d_model": 64, "ssm_cfg": {"layer": "Mamba2", "d_ssm": 100}})", {"'headdim' is 64", "100 channels"});
    refused(R"({"d_model": 64, "ssm_cfg": {"layer": "Mamba2", "d_ssm": 256}})", {"'ssm_cfg.d_ssm' is 256", "to 128"});
    refused(R"({"d_model": 64, "ssm_cfg": 4})", {"'ssm_cfg' is 4", "an object"});
    refused(R"({"d_model": 64, "attn_layer_idx": [1]})", {"'attn_layer_idx'", "attention"});
    refused(R"({"d_model": 64, "d_intermediate": 128})", {"'d_intermediate'", "MLP"});
    refused(R"({"d_model": 64, "rms_norm": false})", {"'rms_norm'", "layer norm"});
    refused(std::string("{\"model_type\": \"mamba\"}\0 ", 25), {"zero byte"});
    refused(std::string(2 << 20, ' '), {"2097152 bytes"});
    refused("", {"empty"});
    refused("{\"a\":" + std::string(100000, '['), {"not JSON"});
}

TEST_CASE("a configuration file that is not there") {
    const TempFolder folder;
    CHECK_REFUSED(read_model_config(folder.path("config.json")), FileError, folder.path("config.json"), "no such file");
    CHECK_REFUSED(read_model_config(folder.path(".")), FileError, folder.path("."), "directory");
}

TEST_CASE("a configuration that a program fills in is checked as well") {
    CHECK_NOTHROW(check_model_config(small_mamba1(), "the builder"));
    ModelConfig c = small_mamba2();
    CHECK_NOTHROW(check_model_config(c, "the builder"));
    c.nheads = 3;
    CHECK_REFUSED(check_model_config(c, "the builder"), FileError, "the builder: ", "3 heads of 4", "16");
    c = small_mamba2();
    c.dt_max = NAN;
    CHECK_REFUSED(check_model_config(c, "the builder"), FileError, "the builder: ", "dt");
    CHECK_REFUSED(check_model_config(ModelConfig(), "the builder"), FileError, "the builder: ", "vocab_size is 0");
}
