#include "files/text.h"
#include "model/sequence.h"
#include "model/sequence_config.h"

namespace scandium {
namespace {

constexpr const char* kLoad = "load_sequence_model";

ElementType element_type(DType dtype) {
    switch (dtype) {
    case DType::f16: return ElementType::f16;
    case DType::bf16: return ElementType::bf16;
    case DType::f32: return ElementType::f32;
    default: return ElementType::i32;  // which a checkpoint refuses, by name
    }
}

std::vector<SafetensorsTensor> named(Span<SequenceWeight> weights) {
    std::vector<SafetensorsTensor> tensors;
    for (size_t i = 0; i < weights.size; ++i) {
        const SequenceWeight& weight = weights.data[i];
        const std::string name = weight.name ? weight.name : "";
        if (!weight.data || weight.rank > std::size(weight.shape))
            throw FileError(std::string(kLoad) + ": tensor " + in_quotes(name) + (weight.data ? " has a rank over 3" : " has no data"));
        tensors.push_back({name,
                           element_type(weight.dtype),
                           {weight.shape, weight.shape + weight.rank},
                           {static_cast<const std::byte*>(weight.data), weight.size}});
    }
    return tensors;
}

std::unique_ptr<SequenceModel> load(const SequenceModelDesc& desc) {
    auto model = std::make_unique<SequenceModel>();
    Model& network = model->network;
    model->config = checked(desc.config, kLoad);
    network.config = layers_of(model->config);
    network.diagnostics = {desc.diagnostics, desc.diagnostics_user};
    network.device = desc.device;
    network.host = desc.host;
    network.access = desc.access;
    const std::vector<WantedWeight> wanted = sequence_weights(model->config);
    std::vector<WeightSpec> specs;
    for (const WantedWeight& weight : wanted) specs.push_back(weight.spec);
    if (desc.random_weights) {
        place_weights(&network, specs, desc.weight_type, DType::f32);
        network.weights->load_random({});
        return model;
    }
    const std::vector<SafetensorsTensor> tensors = named(desc.weights);
    const Checkpoint checkpoint = desc.file ? Checkpoint::of_file(desc.file, wanted) : Checkpoint::of_memory(kLoad, tensors, wanted);
    place_weights(&network, specs, desc.weight_type, checkpoint.find(WeightRole::in_proj, 0)->dtype);
    network.weights->load(checkpoint, {});
    return model;
}

}  // namespace

Result load_sequence_model(const SequenceModelDesc& desc, SequenceModel** out) noexcept {
    const Diagnostics diagnostics = {desc.diagnostics, desc.diagnostics_user};
    if (!desc.device || !out) return diagnostics.fail(Result::invalid_argument, "%s: %s is null", kLoad, out ? "device" : "out");
    *out = nullptr;
    if (!is_complete(desc.host)) return diagnostics.fail(Result::invalid_argument, "%s: a function of ModelHost is null", kLoad);
    const int sources = (desc.file != nullptr) + (desc.weights.size != 0) + desc.random_weights;
    if (sources != 1)
        return diagnostics.fail(Result::invalid_argument, "%s: of file, weights and random_weights %d are set, but one is expected", kLoad,
                                sources);
    if (static_cast<uint32_t>(desc.weight_type) > static_cast<uint32_t>(WeightType::q4))
        return diagnostics.fail(Result::invalid_argument, "%s: weight_type is not one of WeightType", kLoad);
    return guarded(diagnostics, [&] { *out = load(desc).release(); });
}

void destroy_sequence_model(SequenceModel* model) noexcept { delete model; }

const SequenceModelConfig& sequence_model_config(const SequenceModel* model) noexcept {
    static const SequenceModelConfig kNone;
    return model ? model->config : kNone;
}

ModelInfo sequence_model_info(const SequenceModel* model) noexcept {
    return model ? model->network.info(sequence_param_count(model->config)) : ModelInfo();
}

}  // namespace scandium
