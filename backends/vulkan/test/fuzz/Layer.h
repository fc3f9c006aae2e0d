// What linear layers and convolutions on int8 share behind their sums of products: scale, bias,
// activation, residual, quantize; and how the arguments for that are drawn.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "Draft.h"
#include "Int8Grid.h"
#include "Machine.h"
#include "graph/ops/impl/mac/QuantizedRows.h"

namespace etvk::fuzz {

// ---- For references.

// Only a float32 x is divided by its scale; that of an int8 x has to be fit for products alone.
Int8Grid read_input_grid(const Arguments& arguments);

// x as int8: a float32 x is quantized first.
Tensor read_int8_x(const Arguments& arguments, const Int8Grid& grid);

// How the grids of an x that is quantized at run time are found. Throws Meaningless.
ops::RowGrids read_row_grids(const Arguments& arguments);

// What is done with each element's float value: stored, or quantized.
using Finish = std::function<void(Tensor& y, size_t at, float f)>;

// What a layer makes of its sums.
class LayerEnd {
 public:
  // Of `channels` output channels, whose scales repeat after `scale_count`. Throws Meaningless.
  LayerEnd(const Arguments& arguments, float input_scale, int64_t channels, int64_t scale_count);

  // y[at] = finish(activation(acc * scale + bias)); y.accuracy follows. `row_scale`: a factor of
  // the channel's scale.
  void set(Tensor& y, size_t at, int64_t acc, size_t channel, const Finish& finish,
           float row_scale = 1.0f) const;

 private:
  std::string activation_;
  float alpha_ = 0.0f;
  float beta_ = 0.0f;
  std::vector<float> scales_;  // input_scale * w_scale[n]
  std::vector<float> bias_;
};

// y of a layer, with each value finished.
using Layer = Tensor (*)(const Arguments& arguments, DType dtype, const Finish& finish);

Result quantized_layer(const Arguments& arguments, Layer layer);
// `own`: what the op calls the layer's own quantization, for example "linear".
Result residual_layer(const Arguments& arguments, Layer layer, const std::string& own);
Result float_layer(const Arguments& arguments, Layer layer);

// ---- For draws.

// Scales and bias of so many channels; weight_sums, which no one reads.
void give_channels(Draft& draft, int64_t channels);
void give_row_grids(Draft& draft, bool per_row);
void give_activation(Draft& draft, const char* activation);
void give_output(Draft& draft, bool has_range);
void give_table(Draft& draft);  // or None
// A residual for results of these sizes. False where there is none.
bool give_residual(Draft& draft, const std::string& own, const ByExecution<Sizes>& sizes);

}  // namespace etvk::fuzz
