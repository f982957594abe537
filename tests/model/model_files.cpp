#include "model/model_files.h"

#include <algorithm>
#include <limits>

#include "model/checkpoint_keys.h"

namespace scandium::test {

std::string reference(const std::string& name) { return std::string(REFERENCE_CASES) + "/" + name; }
std::string sample_model(const std::string& name) { return std::string(SAMPLE_MODELS) + "/" + name; }

void write_tensors(const std::string& path, const std::vector<NamedTensor>& tensors) {
    std::vector<std::vector<std::byte>> data;
    std::vector<SafetensorsTensor> out;
    for (const NamedTensor& tensor : tensors) {
        uint64_t bytes = bytes_of(tensor.type);
        for (uint64_t axis : tensor.shape) bytes *= axis;
        data.emplace_back(bytes);
    }
    for (size_t i = 0; i < tensors.size(); ++i) out.push_back({tensors[i].key, tensors[i].type, tensors[i].shape, data[i]});
    write_safetensors(path, out, {});
}

std::vector<NamedTensor> tensors_of(const ModelConfig& config) {
    std::vector<NamedTensor> tensors;
    for (const WeightSpec& spec : weights_of(config)) tensors.push_back({keys_of(config, spec, "backbone.")[0], file_shape(spec)});
    return tensors;
}

ModelConfig small_mamba1() {
    ModelConfig c;
    c.kind = ModelKind::mamba1;
    c.vocab_size = c.padded_vocab_size = 32;
    c.d_model = 8;
    c.n_layer = 2;
    c.d_inner = c.d_ssm = 16;
    c.dstate = 4;
    c.dt_rank = 1;
    c.dt_max = std::numeric_limits<float>::infinity();
    return c;
}

ModelConfig small_mamba2() {
    ModelConfig c = small_mamba1();
    c.kind = ModelKind::mamba2;
    c.dt_rank = 0;
    c.nheads = 4;
    c.headdim = 4;
    c.ngroups = 2;
    c.chunk_size = 16;
    c.gated_norm = true;
    c.norm_group_size = 16;
    return c;
}

std::string mutated(const std::string& text, std::mt19937* random) {
    std::string result = text;
    const auto below = [random](size_t n) { return static_cast<size_t>((*random)() % n); };
    static const std::string kHostile[] = {
        "[",          "]",          "{",        "}",       "\"",   ",",       ":",    "-1",
        "0",          "1e999",      "Infinity", "NaN",     "null", "\\u0000", "\xff", "99999999999999999999",
        "4294967296", "2147483648", "\"\"",     "\xf0\x9f"};
    for (size_t n = 1 + below(4); n > 0; --n) {
        const size_t at = below(result.size() + 1), left = result.size() - at;
        const std::string& hostile = kHostile[below(std::size(kHostile))];
        size_t removed = 0;
        std::string added;
        switch (below(5)) {
        case 0:
            removed = std::min<size_t>(left, 1);
            added = std::string(1, static_cast<char>(below(256)));
            break;
        case 1: added = hostile; break;
        case 2: removed = std::min(left, 1 + below(12)); break;
        case 3:
            removed = std::min(left, hostile.size());
            added = hostile;
            break;
        default: added = result.substr(below(result.size() + 1), below(40));
        }
        std::string next = result.substr(0, at);
        next += added;
        next += result.substr(at + removed);
        result = next.empty() ? " " : next;
    }
    return result;
}

}  // namespace scandium::test
