// Scandium: sequence models over feature vectors, for policies and regression: what an agent of a game sees every frame goes in,
// what it shall do comes out.
//
//   h[t]   = input_proj(features[t])
//   h[t]  += out_proj(gated_norm(ssd(silu(conv1d(x | B | C)), dt), z))    for each layer; z, x | B | C, dt = in_proj(norm(h[t]))
//   out[t] = output_proj(norm_f(h[t]))
//
// Layers are Mamba-2's, as mamba_ssm's Mamba2 has them with ngroups 1 (Dao and Gu, "Transformers are SSMs", arXiv:2405.21060).
// Options are named as those of MambaSSD in the Elixir library Edifice. Its layers differ (layer norms, no gated norm, a fixed A),
// so weights trained there do not fit.
//
// There are two ways through a model, with the same results but for rounding: a stream keeps the states of many agents and takes
// each a step on, at a cost that does not grow with time; a window computes outputs from the last features alone.
// As with language models (model.h), memory and commands are the host's; for programs without an engine model_run.h has a
// ModelHost, and context.h records a pass with what goes in and out of it (create_recording). A model, its streams and windows
// serve one thread at a time; passes may be recorded from several.
#pragma once

#include "scandium/model.h"

namespace scandium {

// ---- what a model is made of ----------------------------------------------------------------------------------------

// How windows are scanned; streams are recurrent always.
enum class SequenceMode : uint32_t {
    automatic = 0,  // as suits the device
    chunked,        // products of matrices, within chunks of chunk_size features: many rows on a GPU with matrix units
    recurrent,      // feature by feature: short windows, and devices without
};
SCANDIUM_API const char* to_string(SequenceMode mode) noexcept;

// Defaults are real_time_sequence_config()'s.
struct SequenceModelConfig {
    uint32_t embed_dim = 0;      // values of a feature vector: 1 to 65536
    uint32_t output_size = 0;    // values of an output: 1 to 65536
    uint32_t hidden_size = 256;  // width of h: 1 to 4096
    uint32_t state_size = 16;    // of each channel of a scan: 1 to 512
    uint32_t expand_factor = 2;  // hidden_size * expand_factor channels are scanned: 1 to 8
    uint32_t headdim = 0;        // channels that share dt, A and D: 1 to 1024, dividing all channels; 0: the largest power of two up
                                 // to 64 that does
    uint32_t conv_size = 4;      // taps of the convolution: 2 to 8
    uint32_t num_layers = 2;     // 1 to 256
    uint32_t window_size = 60;   // feature vectors of a window: 1 to 65536. Streams do not look at it
    uint32_t chunk_size = 16;    // 16 to 256, a multiple of 16; also of mode automatic
    SequenceMode mode = SequenceMode::recurrent;
    float norm_eps = 1e-5f;  // of all norms
};

// For one decision a frame at 60 frames a second: a window is a second, and scanned as it comes.
SCANDIUM_API SequenceModelConfig real_time_sequence_config(uint32_t embed_dim, uint32_t output_size) noexcept;
// For many recorded windows at once: the same network in mode chunked, with chunks of 64.
SCANDIUM_API SequenceModelConfig throughput_sequence_config(uint32_t embed_dim, uint32_t output_size) noexcept;

// The number of weights' elements. 0 if an option is out of range.
SCANDIUM_API uint64_t sequence_param_count(const SequenceModelConfig& config) noexcept;

// A weight by name, its last axis fastest and without gaps. A model has just these, C being hidden_size * expand_factor channels
// and N heads = C / headdim:
//   input_proj.weight (hidden_size, embed_dim), input_proj.bias (hidden_size)
//   layers.I.norm.weight (hidden_size)
//   layers.I.mixer.in_proj.weight (2 C + 2 state_size + N, hidden_size), rows of z, x, B, C, dt
//   layers.I.mixer.conv1d.weight (C + 2 state_size, 1, conv_size), layers.I.mixer.conv1d.bias (C + 2 state_size)
//   layers.I.mixer.dt_bias (N), layers.I.mixer.A_log (N), A being -exp(A_log), layers.I.mixer.D (N)
//   layers.I.mixer.norm.weight (C)
//   layers.I.mixer.out_proj.weight (hidden_size, C)
//   norm_f.weight (hidden_size)
//   output_proj.weight (output_size, hidden_size), output_proj.bias (output_size)
// So does the state_dict of a PyTorch module of nn.Linear, nn.RMSNorm and mamba_ssm's Mamba2.
struct SequenceWeight {
    const char* name = "";
    DType dtype = DType::f32;  // f32, f16 or bf16
    uint32_t rank = 0;
    uint64_t shape[3] = {};
    const void* data = nullptr;
    size_t size = 0;  // bytes
};

// Calls `each` for every weight that such a model has, with shape and without data. Names are valid during the call only.
//   Errors: invalid_argument (`each` is null, an option out of range).
[[nodiscard]] SCANDIUM_API Result list_sequence_weights(const SequenceModelConfig& config,
                                                        void (*each)(void* user, const SequenceWeight& weight), void* user,
                                                        DiagnosticsCallback diagnostics = nullptr,
                                                        void* diagnostics_user = nullptr) noexcept;

// ---- models ---------------------------------------------------------------------------------------------------------

struct SequenceModel;

struct SequenceModelDesc {
    SequenceModelConfig config;
    // One of the three says where weights come from:
    const char* file = nullptr;      // safetensors
    Span<SequenceWeight> weights;    // memory, which is not read after load_sequence_model
    bool random_weights = false;     // of which only speed can be learnt
    const Device* device = nullptr;  // has to outlive the model
    ModelHost host;                  // what it refers to has to outlive the model, its streams and windows
    WeightType weight_type = WeightType::automatic;
    MemoryAccess access = MemoryAccess::automatic;
    DiagnosticsCallback diagnostics = nullptr;  // also for later calls; the device's own is told of what its operators refuse
    void* diagnostics_user = nullptr;
};

//   Errors: invalid_argument (a null argument, an option out of range; a weight that is missing, has another shape or type, or
//   that such a model does not have: the sentence names it, what was found and what is expected; weights that their type cannot
//   hold), out_of_host_memory, what the host returned.
[[nodiscard]] SCANDIUM_API Result load_sequence_model(const SequenceModelDesc& desc, SequenceModel** out) noexcept;
// Its streams and windows must be gone before. Null is ignored.
SCANDIUM_API void destroy_sequence_model(SequenceModel* model) noexcept;

// With headdim as it came to be.
SCANDIUM_API const SequenceModelConfig& sequence_model_config(const SequenceModel* model) noexcept;
// prefill_type is that of windows.
SCANDIUM_API ModelInfo sequence_model_info(const SequenceModel* model) noexcept;

// ---- streams --------------------------------------------------------------------------------------------------------

// The states of many agents, and the pass that takes up to `batch` of them a step on, in one chain of dispatches.
struct SequenceStream;

struct SequenceStreamOptions {
    uint32_t agents = 1;  // 1 to 65535
    uint32_t batch = 0;   // rows of a step, up to `agents`; 0: as many as agents
};

//   Errors: invalid_argument (a null argument, an option out of range), unsupported (states that the device cannot reach at once:
//   make several streams), what planning and the host returned.
[[nodiscard]] SCANDIUM_API Result create_sequence_stream(const SequenceModel* model, const SequenceStreamOptions& options,
                                                         SequenceStream** out) noexcept;
// No command buffer with its pass may be pending. Null is ignored.
SCANDIUM_API void destroy_sequence_stream(SequenceStream* stream) noexcept;
// With batch as it came to be.
SCANDIUM_API const SequenceStreamOptions& sequence_stream_options(const SequenceStream* stream) noexcept;

// Reads features, from and to, and writes outputs. Steps follow each other with a barrier between, as sync_info() says. Recording
// allocates nothing, and a command buffer may be submitted every frame.
// A row has the bits that it has with the others left out. Streams of another batch may differ by rounding.
SCANDIUM_API SessionPass step_pass(const SequenceStream* stream) noexcept;

enum class StreamBuffer : uint32_t {
    features = 0,  // (batch, embed_dim), f32
    from,          // (batch), i32: the agent whose state each row begins from, or SequenceStreamOptions::agents for a fresh one: that
                   // is how an agent is reset within a step. As created: row i is agent i
    to,            // (batch), i32: the agent that gets the row's new state; as created, likewise. -1 here or in `from` leaves the row
                   // out: its outputs mean nothing. No row may write an agent that another row reads or writes
    outputs,       // (batch, output_size), f32
    count,
};
// Handle null: there is none.
SCANDIUM_API HostBuffer stream_buffer(const SequenceStream* stream, StreamBuffer which) noexcept;

// All of them go through ModelHost, with nothing that uses the stream pending.
//   Errors: invalid_argument (a null argument, an agent that there is not), what the host returned.
[[nodiscard]] SCANDIUM_API Result reset_agents(SequenceStream* stream, Span<uint32_t> agents) noexcept;  // as after creation
[[nodiscard]] SCANDIUM_API Result copy_agent(SequenceStream* stream, uint32_t from, uint32_t to) noexcept;

// A state as bytes, for streams of any model with the same sizes, on any device of this byte order.
//   Errors: also invalid_argument (size is not agent_state_size(); bytes that are no state, or that of a model of other sizes).
SCANDIUM_API size_t agent_state_size(const SequenceStream* stream) noexcept;
[[nodiscard]] SCANDIUM_API Result save_agent(SequenceStream* stream, uint32_t agent, void* bytes, size_t size) noexcept;
[[nodiscard]] SCANDIUM_API Result load_agent(SequenceStream* stream, uint32_t agent, const void* bytes, size_t size) noexcept;

// ---- windows --------------------------------------------------------------------------------------------------------

// The pass that computes outputs of `batch` windows. Each begins from nothing, and leaves no state.
struct SequenceWindow;

struct SequenceWindowOptions {
    uint32_t batch = 1;         // windows at once, 1 to 65535
    bool every_output = false;  // after every feature vector, not only after the last
};

//   Errors: as of create_sequence_stream.
[[nodiscard]] SCANDIUM_API Result create_sequence_window(const SequenceModel* model, const SequenceWindowOptions& options,
                                                         SequenceWindow** out) noexcept;
// No command buffer with its pass may be pending. Null is ignored.
SCANDIUM_API void destroy_sequence_window(SequenceWindow* window) noexcept;
SCANDIUM_API const SequenceWindowOptions& sequence_window_options(const SequenceWindow* window) noexcept;

// Reads features and writes outputs. With every_output, RecordOptions::seqlen may be less than window_size.
SCANDIUM_API SessionPass window_pass(const SequenceWindow* window) noexcept;

enum class WindowBuffer : uint32_t {
    features = 0,  // (batch, window_size, embed_dim), f32
    outputs,       // (batch, output_size), f32; with every_output (batch, window_size, output_size)
    count,
};
// Handle null: there is none.
SCANDIUM_API HostBuffer window_buffer(const SequenceWindow* window, WindowBuffer which) noexcept;

}  // namespace scandium
