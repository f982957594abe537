#include "model/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "files/json.h"
#include "files/text.h"
#include "model/checkpoint_keys.h"

namespace scandium {

struct FoundTensor {
    const SafetensorsEntry* entry = nullptr;
    uint32_t file = 0;
};

// The tensors of all files, or of the caller's memory: then there are no files.
struct StoredTensors {
    std::string path;  // for messages: the file, or the index
    std::vector<SafetensorsFile> headers;
    std::map<std::string, FoundTensor, std::less<>> by_key;

    const std::string& path_of(const FoundTensor& found) const { return found.file < headers.size() ? headers[found.file].path() : path; }
};

namespace {

constexpr uint64_t kMaxIndexBytes = 64 << 20;
constexpr size_t kMaxShards = 4096;

DType dtype_of_weight(const std::string& path, const SafetensorsEntry& entry) {
    switch (entry.type) {
    case ElementType::f32: return DType::f32;
    case ElementType::f16: return DType::f16;
    case ElementType::bf16: return DType::bf16;
    default:
        throw FileError(path + ": tensor " + in_quotes(entry.name) + " is of type " + name_of(entry.type) +
                        ", but F32, F16 or BF16 is expected");
    }
}

// A file beside the index, so that an index cannot lead anywhere else.
void expect_plain_name(const JsonView& name) {
    const std::string_view text = name.text();
    if (text.empty() || text == "." || text == ".." || text.find_first_of("/\\:") != std::string_view::npos)
        name.fail_expected("the name of a file in the same folder");
}

// "weight_map": for each key, the file that it is in.
void open_shards(const std::string& folder, const std::string& index_path, StoredTensors* tensors) {
    const JsonFile index(index_path, kMaxIndexBytes);
    index.root().expect_object();
    const JsonView map = index.root().at("weight_map");
    map.expect_object();
    std::map<std::string, uint32_t, std::less<>> shards;
    std::map<std::string_view, uint32_t> listed;
    for (const auto& member : map.value().GetObject()) {
        const JsonView name(&index_path, "weight_map", &member.value);
        expect_plain_name(name);
        const auto [place, is_new] = shards.try_emplace(std::string(name.text()), static_cast<uint32_t>(shards.size()));
        if (is_new && shards.size() > kMaxShards) map.fail(format("names more than %zu files", kMaxShards));
        listed[{member.name.GetString(), member.name.GetStringLength()}] = place->second;
    }
    std::vector<const std::string*> names(shards.size());
    for (const auto& [name, number] : shards) names[number] = &name;
    for (const std::string* name : names) tensors->headers.emplace_back((std::filesystem::path(folder) / *name).string());
    for (uint32_t file = 0; file < tensors->headers.size(); ++file) {
        for (const auto& [key, entry] : tensors->headers[file].entries()) {
            const auto place = listed.find(key);
            if (place == listed.end() || place->second != file)
                throw FileError(tensors->headers[file].path() + ": tensor " + in_quotes(key) + ", of shape " + shape_text(entry.shape) +
                                ", is not what the index lists for this file");
            listed.erase(place);
            tensors->by_key[key] = {&entry, file};
        }
    }
    if (!listed.empty())
        throw FileError(index_path + ": lists " + in_quotes(listed.begin()->first) + " in " + in_quotes(*names[listed.begin()->second]) +
                        ", which has no such tensor");
}

void open_file(const std::string& path, StoredTensors* tensors) {
    tensors->path = path;
    tensors->headers.emplace_back(path);
    for (const auto& [key, entry] : tensors->headers.back().entries()) tensors->by_key[key] = {&entry, 0};
}

StoredTensors open_tensors(const std::string& folder) {
    std::error_code error;
    if (!std::filesystem::is_directory(folder, error)) throw FileError(folder + ": there is no such folder");
    const std::string whole = (std::filesystem::path(folder) / "model.safetensors").string();
    const std::string index = (std::filesystem::path(folder) / "model.safetensors.index.json").string();
    StoredTensors tensors;
    tensors.path = whole;
    if (std::filesystem::exists(whole, error)) {
        open_file(whole, &tensors);
    } else if (std::filesystem::exists(index, error)) {
        tensors.path = index;
        open_shards(folder, index, &tensors);
    } else {
        throw FileError(folder + ": has neither 'model.safetensors' nor 'model.safetensors.index.json'");
    }
    return tensors;
}

std::string prefix_of(const StoredTensors& tensors) {
    const auto place = tensors.by_key.lower_bound("backbone.");
    return place != tensors.by_key.end() && place->first.starts_with("backbone.") ? "backbone." : "";
}

using Keys = std::set<std::string_view>;

Keys keys_in(const StoredTensors& tensors) {
    Keys keys;
    for (const auto& [key, found] : tensors.by_key) keys.insert(key);
    return keys;
}

// Finds one weight and takes its key off `unused`.
Weight take(const StoredTensors& tensors, const WantedWeight& wanted, Keys* unused) {
    for (const std::string& key : wanted.keys) {
        const auto place = tensors.by_key.find(key);
        if (place == tensors.by_key.end()) continue;
        const FoundTensor& found = place->second;
        const std::string& path = tensors.path_of(found);
        if (found.entry->shape != wanted.shape)
            throw FileError(path + ": tensor " + in_quotes(key) + " has shape " + shape_text(found.entry->shape) + ", but " +
                            shape_text(wanted.shape) + " is expected");
        Weight weight;
        static_cast<WeightSpec&>(weight) = wanted.spec;
        weight.key = key;
        weight.dtype = dtype_of_weight(path, *found.entry);
        weight.file = found.file;
        unused->erase(place->first);
        return weight;
    }
    throw FileError(tensors.path + ": tensor " + in_quotes(wanted.keys[0]) + " is missing; shape " + shape_text(wanted.shape) +
                    " is expected");
}

void expect_nothing_else(const StoredTensors& tensors, const Keys& unused, const std::string& kind) {
    if (unused.empty()) return;
    const FoundTensor& extra = tensors.by_key.find(*unused.begin())->second;
    const std::string others = unused.size() > 1 ? format(" (and %zu more)", unused.size() - 1) : "";
    throw FileError(tensors.path_of(extra) + ": tensor " + in_quotes(extra.entry->name) + others + ", of shape " +
                    shape_text(extra.entry->shape) + ", is none that this " + kind + " model has");
}

// A second copy of a tied embedding is no weight, but allowed.
void pass_over_tied_head(const StoredTensors& tensors, const ModelConfig& config, Keys* unused) {
    if (!config.tied_head || !unused->contains(kHeadKey)) return;
    const FoundTensor& head = tensors.by_key.find(kHeadKey)->second;
    const std::vector<uint64_t> shape = {config.padded_vocab_size, config.d_model};
    if (head.entry->shape != shape)
        throw FileError(tensors.path_of(head) + ": tensor " + in_quotes(kHeadKey) + " has shape " + shape_text(head.entry->shape) +
                        ", but " + shape_text(shape) + " is expected");
    unused->erase(kHeadKey);
}

// Exactly these.
std::vector<Weight> take_all(const StoredTensors& tensors, std::span<const WantedWeight> wanted) {
    std::vector<Weight> weights;
    Keys unused = keys_in(tensors);
    for (const WantedWeight& weight : wanted) weights.push_back(take(tensors, weight, &unused));
    expect_nothing_else(tensors, unused, "sequence");
    return weights;
}

}  // namespace

Checkpoint::Checkpoint(const std::string& folder, const ModelConfig& config) {
    const StoredTensors tensors = open_tensors(folder);
    const std::string prefix = prefix_of(tensors);
    Keys unused = keys_in(tensors);
    for (const WeightSpec& spec : weights_of(config))
        weights_.push_back(take(tensors, {spec, keys_of(config, spec, prefix), file_shape(spec)}, &unused));
    pass_over_tied_head(tensors, config, &unused);
    expect_nothing_else(tensors, unused, to_string(config.kind));
    map(tensors);
    sort();
}

Checkpoint Checkpoint::of_file(const std::string& path, std::span<const WantedWeight> wanted) {
    StoredTensors tensors;
    open_file(path, &tensors);
    Checkpoint checkpoint;
    checkpoint.weights_ = take_all(tensors, wanted);
    checkpoint.map(tensors);
    checkpoint.sort();
    return checkpoint;
}

Checkpoint Checkpoint::of_memory(const std::string& what, std::span<const SafetensorsTensor> named, std::span<const WantedWeight> wanted) {
    std::vector<SafetensorsEntry> entries(named.size());
    std::map<std::string_view, std::span<const std::byte>> bytes;
    StoredTensors tensors;
    tensors.path = what;
    for (size_t i = 0; i < named.size(); ++i) {
        entries[i].name = named[i].name;
        entries[i].type = named[i].type;
        entries[i].shape = named[i].shape;
        if (!tensors.by_key.try_emplace(named[i].name, FoundTensor{&entries[i], 0}).second)
            throw FileError(what + ": tensor " + in_quotes(named[i].name) + " is given twice");
        bytes[named[i].name] = named[i].data;
    }
    Checkpoint checkpoint;
    checkpoint.weights_ = take_all(tensors, wanted);
    for (Weight& weight : checkpoint.weights_) {
        weight.data = bytes.at(weight.key);
        const uint64_t size = weight.elements() * size_of(weight.dtype);
        if (weight.data.size() != size)
            throw FileError(what + ": tensor " + in_quotes(weight.key) +
                            format(" has %zu bytes, but %llu are expected", weight.data.size(), static_cast<unsigned long long>(size)));
        checkpoint.total_bytes_ += size;
    }
    checkpoint.sort();
    return checkpoint;
}

void Checkpoint::map(const StoredTensors& tensors) {
    for (const SafetensorsFile& header : tensors.headers) files_.emplace_back(header.path());
    for (Weight& weight : weights_) {
        const SafetensorsEntry& entry = *tensors.by_key.find(weight.key)->second.entry;
        const std::span<const std::byte> bytes = files_[weight.file].bytes();
        const uint64_t begin = tensors.headers[weight.file].data_start() + entry.begin;
        if (begin > bytes.size() || entry.bytes() > bytes.size() - begin)
            throw FileError(tensors.headers[weight.file].path() + ": became shorter while it was read");
        weight.data = bytes.subspan(static_cast<size_t>(begin), static_cast<size_t>(entry.bytes()));
        total_bytes_ += entry.bytes();
    }
}

void Checkpoint::sort() {
    std::sort(weights_.begin(), weights_.end(), [](const Weight& a, const Weight& b) {
        return a.file != b.file ? a.file < b.file : std::less<>()(a.data.data(), b.data.data());
    });
    for (size_t i = 0; i < weights_.size(); ++i) places_[{weights_[i].role, weights_[i].layer}] = i;
}

const Weight* Checkpoint::find(WeightRole role, uint32_t layer) const {
    const auto place = places_.find({role, layer});
    return place == places_.end() ? nullptr : &weights_[place->second];
}

}  // namespace scandium
