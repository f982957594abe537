// Scandium: Mamba and Mamba-2 language models on a device: a checkpoint's weights, and sessions that compute logits.
//
// As everywhere in Scandium the device, its memory and its queue are the host's. A model gets its memory through ModelHost and
// hands out plans with bindings, which the host records wherever it likes. model_run.h does this with context.h, for programs
// without an engine.
#pragma once

#include "scandium/model_config.h"
#include "scandium/plan.h"

namespace scandium {

// ---- the host's memory ----------------------------------------------------------------------------------------------

struct HostBuffer {
    void* handle = nullptr;  // the host's own
    BufferView view;         // all of it
};

struct HostBufferCopy {
    HostBuffer from;
    VkDeviceSize from_offset = 0;
    HostBuffer to;
    VkDeviceSize to_offset = 0;
    VkDeviceSize size = 0;
};

// Functions that a model and its sessions call while they are made and destroyed, and to move states; never otherwise. Each has
// done its work when it returns. What they return other than ok is handed on; they tell of it themselves.
struct ModelHost {
    void* user = nullptr;
    // `usage` has what plans need, and both transfer bits.
    Result (*allocate)(void* user, VkDeviceSize size, VkBufferUsageFlags usage, HostBuffer* out) = nullptr;
    void (*release)(void* user, const HostBuffer& buffer) = nullptr;
    Result (*upload)(void* user, const HostBuffer& to, VkDeviceSize offset, const void* data, VkDeviceSize size) = nullptr;
    Result (*download)(void* user, const HostBuffer& from, VkDeviceSize offset, void* data, VkDeviceSize size) = nullptr;
    Result (*copy)(void* user, Span<HostBufferCopy> regions) = nullptr;
};

// ---- models ---------------------------------------------------------------------------------------------------------

// Reads config.json of a model's folder. Needs no device.
//   Errors: invalid_argument (a null argument, a file that is not as it should be), unsupported (a model of another kind),
//   out_of_host_memory.
[[nodiscard]] SCANDIUM_API Result load_model_config(const char* folder, DiagnosticsCallback diagnostics, void* diagnostics_user,
                                                    ModelConfig* out) noexcept;

struct Model;

// How matrices are kept on the device. Everything else (norms, convolutions, A, D, biases) is f32.
//   automatic  the file's type (of random weights bf16); on a CPU f32, as long as that takes 2 GiB or less
//   q8, q4     blocks of 32 integers with a scale in f16 (quantize.h), of the projections whose in_features are a multiple of
//              32. The head is q8 in both; the embedding, from which rows are looked up, is 16 bits wide. dt_proj stays
//              16 bits wide too.
enum class WeightType : uint32_t {
    automatic = 0,
    f32,
    f16,
    bf16,
    q8,
    q4,
};
SCANDIUM_API const char* to_string(WeightType type) noexcept;

// Told while weights are loaded, from 0 to all bytes of the file; false gives up (Result::invalid_argument).
using ModelProgress = bool (*)(void* user, uint64_t done_bytes, uint64_t total_bytes);

struct ModelDesc {
    const char* folder = nullptr;  // with config.json and model.safetensors, or its parts and their index
    // In place of a folder: a model of this configuration with random weights, of which only speed can be learnt.
    const ModelConfig* random_model = nullptr;
    const Device* device = nullptr;  // has to outlive the model
    ModelHost host;                  // what it refers to has to outlive the model and its sessions
    WeightType weights = WeightType::automatic;
    MemoryAccess access = MemoryAccess::automatic;
    ModelProgress progress = nullptr;  // may be null
    void* progress_user = nullptr;
    DiagnosticsCallback diagnostics = nullptr;  // also for later calls; the device's own is told of what its operators refuse
    void* diagnostics_user = nullptr;
};

// Reads the configuration, maps the files, and moves one weight after the other to the device, a few MiB at a time.
//   Errors: invalid_argument (a null argument, a file that is not as it should be, weights that their type cannot hold, progress
//   said no), unsupported (a configuration or a device without what it takes), out_of_host_memory, what the host returned.
[[nodiscard]] SCANDIUM_API Result load_model(const ModelDesc& desc, Model** out) noexcept;
// Its sessions must be gone before. Null is ignored.
SCANDIUM_API void destroy_model(Model* model) noexcept;

SCANDIUM_API const ModelConfig& model_config(const Model* model) noexcept;

struct ModelInfo {
    uint64_t parameters = 0;
    uint64_t weight_bytes = 0;                   // on the device
    uint64_t step_weight_bytes = 0;              // of these, read for each step of decoding, whatever its batch
    WeightType weights = WeightType::automatic;  // never automatic here
    DType prefill_type = DType::none;            // of what flows between a prompt's operators, save for the residual, which is f32;
                                                 // 16 bits wide where the device then has cooperative matrices. Decoding is in f32
};
SCANDIUM_API ModelInfo model_info(const Model* model) noexcept;

// ---- sessions -------------------------------------------------------------------------------------------------------

// States of several texts (slots), and the plans that take them on:
//   prefill  up to `chunk` tokens of one slot's text. A text of any length is several chunks, each from the state that the one
//            before left.
//   decode   one token of each of up to `batch` texts, with the logits of what follows.
// A row of a batch has the bits that it has with the others left out. Sessions of another batch may differ by rounding.
struct Session;

struct SessionOptions {
    uint32_t slots = 1;         // 1 to 65536
    uint32_t batch = 1;         // 1 to slots; 0: no decoding
    uint32_t chunk = 512;       // tokens, 1 to 65536
    bool every_logits = false;  // also make the plan for the logits after every token of a prompt
};

//   Errors: invalid_argument (a null argument, an option out of range), what planning and the host returned.
[[nodiscard]] SCANDIUM_API Result create_session(const Model* model, const SessionOptions& options, Session** out) noexcept;
// No command buffer with its plans may be pending. Null is ignored.
SCANDIUM_API void destroy_session(Session* session) noexcept;
SCANDIUM_API const Model* model_of(const Session* session) noexcept;
SCANDIUM_API const SessionOptions& session_options(const Session* session) noexcept;

struct SessionPass {
    const Plan* plan = nullptr;  // null: the session was made without
    const Bindings* bindings = nullptr;
};

// Reads prompt_tokens, takes the slot's state on and leaves what prompt_logits_pass and every_logits_pass take. Record with
// RecordOptions::seqlen = the number of tokens, and the latter with the same.
SCANDIUM_API SessionPass prefill_pass(const Session* session, uint32_t slot) noexcept;
// Reads prompt_row, the index within the chunk of the token whose logits are wanted, and writes prompt_logits.
SCANDIUM_API SessionPass prompt_logits_pass(const Session* session) noexcept;
// Writes every_logits.
SCANDIUM_API SessionPass every_logits_pass(const Session* session) noexcept;
// Reads step_tokens and step_slots, and writes step_logits. A row whose slot is -1 is left out: its logits mean nothing. No two
// rows may have the same slot. Passes follow each other with a barrier between, as sync_info() says.
SCANDIUM_API SessionPass decode_pass(const Session* session) noexcept;

enum class SessionBuffer : uint32_t {
    prompt_tokens = 0,  // (chunk), i32. A token that the embedding lacks counts as zeros
    prompt_row,         // (1), i32
    prompt_logits,      // (padded_vocab_size), f32
    every_logits,       // (chunk, padded_vocab_size), f32; none without SessionOptions::every_logits
    step_tokens,        // (batch), i32
    step_slots,         // (batch), i32
    step_logits,        // (batch, padded_vocab_size), f32
    count,
};
// Handle null: there is none.
SCANDIUM_API HostBuffer session_buffer(const Session* session, SessionBuffer which) noexcept;

// ---- states ---------------------------------------------------------------------------------------------------------

// All of them go through ModelHost, with nothing that uses the session pending. A fork is a copy to another slot; what is to be
// taken back later is kept by a copy.
//   Errors: invalid_argument (a null argument, a slot that there is not), what the host returned.
[[nodiscard]] SCANDIUM_API Result reset_state(Session* session, uint32_t slot) noexcept;  // as before the first token, as after creation
[[nodiscard]] SCANDIUM_API Result copy_state(Session* session, uint32_t from, uint32_t to) noexcept;

// A state as bytes, for sessions of any model with the same sizes, on any device of this byte order.
//   Errors: also invalid_argument (size is not state_size(); bytes that are no state, or that of a model of other sizes).
SCANDIUM_API size_t state_size(const Session* session) noexcept;
[[nodiscard]] SCANDIUM_API Result save_state(Session* session, uint32_t slot, void* bytes, size_t size) noexcept;
[[nodiscard]] SCANDIUM_API Result load_state(Session* session, uint32_t slot, const void* bytes, size_t size) noexcept;

}  // namespace scandium
