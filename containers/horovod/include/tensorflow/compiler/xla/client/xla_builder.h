// Horovod 0.28.1 looks for this header where TensorFlow 2.15 had it; since then it has moved into XLA.
#include "xla/hlo/builder/xla_builder.h"
