// Scandium: state-space kernels (Mamba-2 SSD and relatives) for any Vulkan device. Includes everything
// that a host needs; context.h, which makes a device of its own, and the language models' headers are separate.
#pragma once

#define SCANDIUM_VERSION_MAJOR 0
#define SCANDIUM_VERSION_MINOR 1
#define SCANDIUM_VERSION_PATCH 0

#include "scandium/device.h"
#include "scandium/graph.h"
#include "scandium/ops/causal_conv1d.h"
#include "scandium/ops/elementwise.h"
#include "scandium/ops/embedding.h"
#include "scandium/ops/linear.h"
#include "scandium/ops/rms_norm_gated.h"
#include "scandium/ops/segsum.h"
#include "scandium/ops/selective_scan.h"
#include "scandium/ops/selective_state_update.h"
#include "scandium/ops/ssd_scan.h"
#include "scandium/ops/swiglu.h"
#include "scandium/plan.h"
#include "scandium/quantize.h"
#include "scandium/types.h"
