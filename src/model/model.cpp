#include "model/model.h"

#include <filesystem>
#include <optional>

#include "core/device_state.h"
#include "files/text.h"
#include "model/boundary.h"

namespace scandium {
namespace {

constexpr uint64_t kMostBytesInF32 = uint64_t(2) << 30;  // on a CPU, where f32 is the fastest to multiply

bool has_matrices_of(const Caps& caps, DType type) {
    if (!caps.features.cooperative_matrix || caps.bug_cooperative_matrix_crash) return false;
    if (type == DType::f16 ? !caps.features.shader_float16 : !caps.features.bfloat16_cooperative_matrix) return false;
    for (uint32_t i = 0; i < caps.cooperative_matrix_count; ++i) {
        const CooperativeMatrixShape& shape = caps.cooperative_matrices[i];
        if (shape.a == type && shape.b == type && shape.c == DType::f32 && shape.result == DType::f32) return true;
    }
    return false;
}

// `file`: the type that the file has.
WeightType choose_weights(DType file, uint64_t parameters, const Caps& caps) {
    if (caps.device_type == VK_PHYSICAL_DEVICE_TYPE_CPU && parameters * sizeof(float) <= kMostBytesInF32) return WeightType::f32;
    switch (file) {
    case DType::f16: return WeightType::f16;
    case DType::bf16: return WeightType::bf16;
    default: return WeightType::f32;
    }
}

// A CPU multiplies in f32 whatever the operands, so that narrow ones only cost time there.
DType choose_prefill_type(WeightType weights, const Caps& caps) {
    if (weights == WeightType::f32 || caps.device_type == VK_PHYSICAL_DEVICE_TYPE_CPU) return DType::f32;
    if (weights == WeightType::bf16 && has_matrices_of(caps, DType::bf16)) return DType::bf16;
    if (weights != WeightType::bf16 && has_matrices_of(caps, DType::f16)) return DType::f16;
    return DType::f32;
}

ModelConfig read_config(const char* folder) { return read_model_config((std::filesystem::path(folder) / "config.json").string()); }

std::unique_ptr<Model> load(const ModelDesc& desc) {
    auto model = std::make_unique<Model>();
    model->diagnostics = {desc.diagnostics, desc.diagnostics_user};
    model->device = desc.device;
    model->host = desc.host;
    model->access = desc.access;
    if (desc.random_model) check_model_config(*desc.random_model, "load_model");
    model->config = desc.random_model ? *desc.random_model : read_config(desc.folder);
    if (model->config.n_layer == 0) throw FileError("load_model: the model has no layers");
    std::optional<Checkpoint> checkpoint;
    if (!desc.random_model) checkpoint.emplace(desc.folder, model->config);
    const DType file_type = checkpoint ? checkpoint->find(WeightRole::in_proj, 0)->dtype : DType::bf16;
    place_weights(model.get(), weights_of(model->config), desc.weights, file_type);
    const ProgressCallback progress = {desc.progress, desc.progress_user};
    if (checkpoint)
        model->weights->load(*checkpoint, progress);
    else
        model->weights->load_random(progress);
    return model;
}

}  // namespace

const char* to_string(WeightType type) noexcept {
    switch (type) {
    case WeightType::automatic: return "auto";
    case WeightType::f32: return "f32";
    case WeightType::f16: return "f16";
    case WeightType::bf16: return "bf16";
    case WeightType::q8: return "q8";
    case WeightType::q4: return "q4";
    }
    return "unknown";
}

VkBufferUsageFlags Model::buffer_usage() const {
    VkBufferUsageFlags usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    if (access != MemoryAccess::descriptor && device_caps(device).features.buffer_device_address)
        usage |= VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
    return usage;
}

bool is_complete(const ModelHost& host) { return host.allocate && host.release && host.upload && host.download && host.copy; }

void place_weights(Model* model, const std::vector<WeightSpec>& specs, WeightType wanted, DType file_type) {
    const Caps& caps = device_caps(model->device);
    model->weight_type = wanted == WeightType::automatic ? choose_weights(file_type, parameter_count(specs), caps) : wanted;
    model->prefill_type = choose_prefill_type(model->weight_type, caps);
    model->weights = std::make_unique<DeviceWeights>(specs, model->weight_type, model->host, caps, model->buffer_usage());
}

Result load_model_config(const char* folder, DiagnosticsCallback callback, void* user, ModelConfig* out) noexcept {
    const Diagnostics diagnostics = {callback, user};
    if (!folder || !out) return diagnostics.fail(Result::invalid_argument, "load_model_config: %s is null", folder ? "out" : "folder");
    return guarded(diagnostics, [&] { *out = read_config(folder); });
}

Result load_model(const ModelDesc& desc, Model** out) noexcept {
    const Diagnostics diagnostics = {desc.diagnostics, desc.diagnostics_user};
    if ((!desc.folder && !desc.random_model) || !desc.device || !out)
        return diagnostics.fail(Result::invalid_argument, "load_model: %s is null", !out ? "out" : !desc.device ? "device" : "folder");
    *out = nullptr;
    if (!is_complete(desc.host)) return diagnostics.fail(Result::invalid_argument, "load_model: a function of ModelHost is null");
    if (static_cast<uint32_t>(desc.weights) > static_cast<uint32_t>(WeightType::q4))
        return diagnostics.fail(Result::invalid_argument, "load_model: weights is not one of WeightType");
    return guarded(diagnostics, [&] { *out = load(desc).release(); });
}

void destroy_model(Model* model) noexcept { delete model; }

const ModelConfig& model_config(const Model* model) noexcept {
    static const ModelConfig kNone;
    return model ? model->config : kNone;
}

ModelInfo Model::info(uint64_t parameters) const {
    ModelInfo info;
    info.parameters = parameters;
    info.weight_bytes = weights->bytes();
    info.step_weight_bytes = weights->step_bytes();
    info.weights = weight_type;
    info.prefill_type = prefill_type;
    return info;
}

ModelInfo model_info(const Model* model) noexcept { return model ? model->info(parameter_count(model->config)) : ModelInfo(); }

}  // namespace scandium
