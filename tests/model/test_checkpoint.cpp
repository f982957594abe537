#include "model/checkpoint.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <map>

#include "model/model_files.h"

using namespace scandium;
using namespace scandium::test;

namespace {

void erase_key(std::vector<NamedTensor>* tensors, const std::string& key) {
    REQUIRE(std::erase_if(*tensors, [&](const NamedTensor& t) { return t.key == key; }) == 1);
}

NamedTensor& tensor(std::vector<NamedTensor>& tensors, const std::string& key) {
    return *std::find_if(tensors.begin(), tensors.end(), [&](const NamedTensor& t) { return t.key == key; });
}

struct ModelFolder {
    TempFolder folder;
    std::string weights = folder.path("model.safetensors");

    ModelFolder() = default;
    explicit ModelFolder(const std::vector<NamedTensor>& tensors) { write_tensors(weights, tensors); }
    Checkpoint open(const ModelConfig& config) const { return Checkpoint(folder.path(""), config); }
};

}  // namespace

TEST_CASE("the bundled model's weights") {
    const ModelConfig config = read_model_config(sample_model("shakespeare-mamba2/config.json"));
    const Checkpoint checkpoint(sample_model("shakespeare-mamba2"), config);
    CHECK(checkpoint.weights().size() == 56);
    CHECK(parameter_count(config) == 6'725'386);
    const Weight* in_proj = checkpoint.find(WeightRole::in_proj, 3);
    REQUIRE(in_proj);
    CHECK(canonical_name(*in_proj) == "layers.3.in_proj");
    CHECK(in_proj->key == "backbone.layers.3.mixer.in_proj.weight");
    CHECK(in_proj->dtype == DType::bf16);
    CHECK(in_proj->rank == 2);
    CHECK(in_proj->shape == std::array<uint64_t, 2>{1805, 416});
    CHECK(in_proj->data.size() == 1805 * 416 * 2);
    CHECK(checkpoint.find(WeightRole::A_log, 0)->dtype == DType::f32);
    CHECK(checkpoint.find(WeightRole::conv, 0)->shape == std::array<uint64_t, 2>{960, 4});
    CHECK(checkpoint.find(WeightRole::head) == nullptr);
    CHECK(checkpoint.find(WeightRole::in_proj, 6) == nullptr);
}

TEST_CASE("weights come in the order of the file, are what the file has, and may be let go") {
    const std::string folder = reference("lm_mamba2_tiny");
    const Checkpoint checkpoint(folder, read_model_config(folder + "/config.json"));
    const SafetensorsFile file(folder + "/model.safetensors");
    uint64_t bytes = 0;
    const std::byte* reached = nullptr;
    for (const Weight& weight : checkpoint.weights()) {
        CHECK(std::less<>()(reached, weight.data.data()));
        reached = weight.data.data();
        bytes += weight.data.size();
        checkpoint.prefetch(weight);
        const std::vector<std::byte> expected = file.read(*file.find(weight.key));
        CHECK(std::equal(weight.data.begin(), weight.data.end(), expected.begin(), expected.end()));
        checkpoint.release(weight);
        CHECK(std::equal(weight.data.begin(), weight.data.end(), expected.begin(), expected.end()));
    }
    CHECK(bytes == checkpoint.total_bytes());
    CHECK(checkpoint.weights().size() == file.entries().size());
    CHECK(checkpoint.find(WeightRole::head)->key == "lm_head.weight");
}

TEST_CASE("every option's weights are asked for") {
    ModelConfig config = small_mamba2();
    config.proj_bias = config.D_has_headdim = true;
    config.conv_bias = config.gated_norm = config.tied_head = false;
    config.d_inner = 24;
    const ModelFolder model(tensors_of(config));
    const Checkpoint checkpoint = model.open(config);
    CHECK(checkpoint.find(WeightRole::in_proj, 0)->shape == std::array<uint64_t, 2>{68, 8});
    CHECK(checkpoint.find(WeightRole::D, 1)->shape == std::array<uint64_t, 2>{4, 4});
    CHECK(checkpoint.find(WeightRole::out_proj, 1)->shape == std::array<uint64_t, 2>{8, 24});
    CHECK(checkpoint.find(WeightRole::out_proj_bias, 1));
    CHECK_FALSE(checkpoint.find(WeightRole::conv_bias, 1));
    CHECK(checkpoint.weights().size() == 1 + 2 * 9 + 2);
    config = small_mamba1();
    CHECK(ModelFolder(tensors_of(config)).open(config).weights().size() == 1 + 2 * 10 + 1);
}

TEST_CASE("the names that files go by") {
    const ModelConfig config = small_mamba1();
    auto tensors = tensors_of(config);
    SECTION("state-spaces' embedding, and the head that it keeps beside") {
        tensor(tensors, "backbone.embeddings.weight").key = "backbone.embedding.weight";
        tensors.push_back({"lm_head.weight", {32, 8}});
    }
    SECTION("only the head is left of the two") { tensor(tensors, "backbone.embeddings.weight").key = "lm_head.weight"; }
    SECTION("a model without its head") {
        for (NamedTensor& t : tensors) t.key.erase(0, std::string("backbone.").size());
    }
    SECTION("16 bits") {
        for (NamedTensor& t : tensors) t.type = ElementType::f16;
    }
    CHECK(ModelFolder(tensors).open(config).weights().size() == weights_of(config).size());
}

TEST_CASE("a weight that does not fit is named, with the shapes found and expected") {
    ModelConfig config = small_mamba2();
    auto tensors = tensors_of(config);
    std::vector<std::string> parts;
    SECTION("missing") {
        erase_key(&tensors, "backbone.layers.1.mixer.D");
        parts = {"'backbone.layers.1.mixer.D' is missing", "(4)"};
    }
    SECTION("no embedding") {
        erase_key(&tensors, "backbone.embeddings.weight");
        parts = {"'backbone.embeddings.weight' is missing", "(32, 8)"};
    }
    SECTION("no head") {
        config.tied_head = false;
        parts = {"'lm_head.weight' is missing", "(32, 8)"};
    }
    SECTION("another shape") {
        tensor(tensors, "backbone.layers.0.mixer.in_proj.weight").shape = {51, 8};
        parts = {"'backbone.layers.0.mixer.in_proj.weight'", "(51, 8)", "(52, 8)"};
    }
    SECTION("turned") {
        tensor(tensors, "backbone.layers.0.mixer.out_proj.weight").shape = {16, 8};
        parts = {"'backbone.layers.0.mixer.out_proj.weight'", "(16, 8)", "(8, 16)"};
    }
    SECTION("one too many") {
        tensors.push_back({"backbone.layers.2.norm.weight", {8}});
        tensors.push_back({"backbone.layers.3.norm.weight", {8}});
        parts = {"'backbone.layers.2.norm.weight' (and 1 more)", "(8)"};
    }
    SECTION("both embeddings") {
        tensors.push_back({"backbone.embedding.weight", {32, 8}});
        parts = {"'backbone.embedding.weight'", "(32, 8)"};
    }
    SECTION("a head that is not the embedding's shape") {
        tensors.push_back({"lm_head.weight", {33, 8}});
        parts = {"'lm_head.weight'", "(33, 8)", "(32, 8)"};
    }
    SECTION("another type") {
        tensor(tensors, "backbone.layers.0.mixer.A_log").type = ElementType::f64;
        parts = {"'backbone.layers.0.mixer.A_log'", "F64", "BF16"};
    }
    const ModelFolder model(tensors);
    INFO(parts[0]);
    std::string message;
    try {
        model.open(config);
    } catch (const FileError& error) {
        message = error.what();
    }
    CHECK_THAT(message, Catch::Matchers::StartsWith(model.weights));
    for (const std::string& part : parts) CHECK_THAT(message, Catch::Matchers::ContainsSubstring(part));
}

namespace {

struct Sharded : ModelFolder {
    std::string index = folder.path("model.safetensors.index.json");

    explicit Sharded(const ModelConfig& config) {
        const std::vector<NamedTensor> tensors = tensors_of(config);
        const size_t half = tensors.size() / 2;
        write_tensors(folder.path("a.safetensors"), {tensors.begin(), tensors.begin() + static_cast<std::ptrdiff_t>(half)});
        write_tensors(folder.path("b.safetensors"), {tensors.begin() + static_cast<std::ptrdiff_t>(half), tensors.end()});
        for (size_t i = 0; i < tensors.size(); ++i) file_of[tensors[i].key] = i < half ? "a.safetensors" : "b.safetensors";
    }
    void write_index() const {
        std::string text = R"({"metadata": {"total_size": 1}, "weight_map": {)";
        for (const auto& [key, file] : file_of) text += (text.back() == '{' ? "\"" : ", \"") + key + "\": \"" + file + "\"";
        write_bytes(index, text + "}}");
    }

    std::map<std::string, std::string> file_of;
};

}  // namespace

TEST_CASE("weights in several files") {
    const ModelConfig config = small_mamba2();
    Sharded model(config);
    SECTION("as listed") {
        model.write_index();
        const Checkpoint checkpoint = model.open(config);
        CHECK(checkpoint.weights().size() == weights_of(config).size());
        CHECK(checkpoint.weights().front().file == 0);
        CHECK(checkpoint.weights().back().file == 1);
    }
    SECTION("one whole file goes first") {
        write_bytes(model.index, "nothing");
        write_tensors(model.weights, tensors_of(config));
        CHECK_NOTHROW(model.open(config));
    }
    SECTION("listed, but not there") {
        model.file_of["more"] = "a.safetensors";
        model.write_index();
        CHECK_REFUSED(model.open(config), FileError, model.index, "'more'", "'a.safetensors'");
    }
    SECTION("there, but not listed") {
        model.file_of.erase("backbone.norm_f.weight");
        model.write_index();
        CHECK_REFUSED(model.open(config), FileError, model.folder.path("b.safetensors"), "'backbone.norm_f.weight'", "(8)");
    }
    SECTION("in the other file") {
        model.file_of["backbone.norm_f.weight"] = "a.safetensors";
        model.write_index();
        CHECK_REFUSED(model.open(config), FileError, model.folder.path("b.safetensors"), "'backbone.norm_f.weight'");
    }
    SECTION("a file that is not there") {
        model.file_of["more"] = "c.safetensors";
        model.write_index();
        CHECK_REFUSED(model.open(config), FileError, model.folder.path("c.safetensors"), "no such file");
    }
    SECTION("a file elsewhere") {
        for (const char* name : {"../a.safetensors", "/etc/passwd", "..", "", "x/y", "c:z"}) {
            model.file_of["more"] = name;
            model.write_index();
            CHECK_REFUSED(model.open(config), FileError, model.index, "'weight_map'", "same folder");
        }
    }
    SECTION("an index of another kind") {
        for (const char* text : {"{}", R"({"weight_map": []})", R"({"weight_map": {"a": 1}})", R"({"weight_map": {"a": "b", "a": "b"}})"}) {
            write_bytes(model.index, text);
            CHECK_REFUSED(model.open(config), FileError, model.index, "weight_map");
        }
    }
}

TEST_CASE("a folder without weights") {
    const ModelFolder model;
    CHECK_REFUSED(model.open(small_mamba2()), FileError, model.folder.path(""), "neither 'model.safetensors' nor");
    CHECK_REFUSED(Checkpoint(model.folder.path("none"), small_mamba2()), FileError, model.folder.path("none"), "no such folder");
}
