// Files with bytes changed at random, always the same way: whatever becomes of them, it is an error or a model, and no crash.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>

#include "model/checkpoint.h"
#include "model/model_files.h"
#include "model/tokenizer.h"

using namespace scandium;
using namespace scandium::test;

namespace {

// Without the old file's place on the disk, for whose sake some file systems would wait for the disk.
void write_anew(const std::string& path, const std::string& bytes) {
    std::filesystem::remove(path);
    write_bytes(path, bytes);
}

// Runs `use` on mutations of `text` in a file; true if it took some and refused some.
template <class F>
bool fuzz(const std::string& name, const std::string& text, int count, uint32_t seed, F&& use) {
    const TempFolder folder;
    const std::string path = folder.path(name);
    std::mt19937 random(seed);
    int taken = 0, refused = 0;
    for (int i = 0; i < count; ++i) {
        write_anew(path, mutated(text, &random));
        try {
            use(path);
            ++taken;
        } catch (const FileError& error) {
            ++refused;
            if (std::string(error.what()).find(folder.path("")) != 0) FAIL_CHECK(error.what());
        }
    }
    return taken > 0 && refused > 0;
}

// Small, so that mutations hit what matters.
const char* const kTokenizer = R"({"version": "1.0", "added_tokens": [{"id": 9, "content": "<s>", "special": true, "lstrip": true},
 {"id": 10, "content": "  ", "normalized": true, "rstrip": true, "single_word": true}],
 "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Prepend", "prepend": " "},
  {"type": "Replace", "pattern": {"Regex": "a+"}, "content": "b"}]},
 "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "\\s+|[^\\s]+"}, "behavior": "Isolated",
  "invert": false}, {"type": "Digits", "individual_digits": true}, {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first"},
  {"type": "ByteLevel", "add_prefix_space": false}]},
 "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]},
 "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "_"}, "content": " "}, {"type": "ByteFallback"},
  {"type": "ByteLevel"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
 "model": {"type": "BPE", "unk_token": "u", "byte_fallback": true, "fuse_unk": true, "ignore_merges": false,
  "vocab": {"u": 0, "a": 1, "b": 2, "ab": 3, "abab": 4, "_": 5, "1": 6, "<0x61>": 7, "bb": 8},
  "merges": ["a b", ["ab", "ab"], "b b"]}})";

void use_tokenizer(const std::string& path) {
    const Tokenizer tokenizer(path);
    const std::string text = "abab <s> \xc3\xa9 aab12  \xff bb";
    std::vector<int32_t> ids;
    try {
        ids = tokenizer.encode(text, {true, true});
    } catch (const FileError&) {
        return;
    }  // a token that there is no more
    TokenStream stream(&tokenizer, false);
    for (int32_t id : ids) {
        if (id < 0 || static_cast<uint32_t>(id) >= tokenizer.count()) FAIL_CHECK(id);
        stream.next(id);
    }
    stream.end();
}

}  // namespace

TEST_CASE("mutated configurations") {
    const auto use = [](const std::string& path) { weights_of(read_model_config(path)); };
    CHECK(fuzz("config.json", read_bytes(sample_model("shakespeare-mamba2/config.json")), 2000, 1, use));
    CHECK(fuzz("config.json", read_bytes(reference("lm_mamba1_tiny/config.json")), 1000, 2, use));
    const std::string state_spaces = R"({"d_model": 64, "n_layer": 3, "vocab_size": 50277, "ssm_cfg": {"layer": "Mamba2", "d_state": 16,
        "d_conv": 4, "expand": 2, "headdim": 8, "d_ssm": 96, "ngroups": 4, "dt_limit": [0.0, {"__float__": "Infinity"}]},
        "attn_layer_idx": [], "rms_norm": true, "pad_vocab_size_multiple": 16, "tie_embeddings": true})";
    CHECK(fuzz("config.json", state_spaces, 2000, 3, use));
}

TEST_CASE("mutated weights and lists of weights") {
    const ModelConfig config = small_mamba2();
    std::vector<NamedTensor> tensors = tensors_of(config);
    const TempFolder folder;
    const std::string weights = folder.path("model.safetensors"), index = folder.path("model.safetensors.index.json");
    write_tensors(folder.path("part.safetensors"), tensors);
    std::string list = R"({"weight_map": {)";
    for (const NamedTensor& tensor : tensors) list += (list.back() == '{' ? "\"" : ", \"") + tensor.key + R"(": "part.safetensors")";
    list += "}}";
    std::mt19937 random(4);
    int taken = 0;
    const auto open = [&] {
        try {
            const Checkpoint checkpoint(folder.path(""), config);
            // Touches every byte.
            unsigned sum = 0;
            for (const Weight& weight : checkpoint.weights())
                for (std::byte byte : weight.data) sum += static_cast<unsigned>(byte);
            ++taken;
            return sum;
        } catch (const FileError&) {
            return 0u;
        }
    };
    for (int i = 0; i < 1000; ++i) {
        write_anew(index, mutated(list, &random));
        open();
    }
    const std::string bytes = read_bytes(folder.path("part.safetensors"));
    const std::string head = bytes.substr(0, bytes.size() / 3), rest = bytes.substr(head.size());
    for (int i = 0; i < 1000; ++i) {
        write_anew(weights, mutated(head, &random) + rest);
        open();
    }
    for (int i = 0; i < 100; ++i) {
        write_anew(weights, bytes.substr(0, random() % bytes.size()));
        open();
    }
    CHECK(taken > 0);
}

TEST_CASE("mutated tokenizers") {
    CHECK(fuzz("tokenizer.json", kTokenizer, 4000, 5, use_tokenizer));
    // The real one is large: fewer, and mostly its end and beginning.
    const std::string text = read_bytes(reference("tokenizer/tokenizer.json"));
    const TempFolder folder;
    const std::string path = folder.path("tokenizer.json");
    std::mt19937 random(6);
    for (int i = 0; i < 60; ++i) {
        write_anew(path, mutated(text.substr(0, 2000), &random) + text.substr(2000));
        try {
            use_tokenizer(path);
        } catch (const FileError&) {
        }
    }
}

TEST_CASE("mutated text") {
    const Tokenizer tokenizer(reference("tokenizer/tokenizer.json"));
    const std::string text =
        "Gr\xc3\xb6\xc3\x9f"
        "e <|endoftext|>    e\xcc\x81 \xed\x95\x9c\xea\xb5\xad\xec\x96\xb4 \xf0\x9f\x91\xa9\xe2\x80\x8d";
    std::mt19937 random(8);
    for (int i = 0; i < 2000; ++i) {
        const std::string changed = mutated(text, &random);
        CHECK(tokenizer.decode(tokenizer.encode(changed, {}), false).size() < 4 * changed.size() + 4);
    }
}
