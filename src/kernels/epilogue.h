/* What a kernel does to a result while it is still in a register. */
#ifndef CANDELA_KERNELS_EPILOGUE_H
#define CANDELA_KERNELS_EPILOGUE_H

typedef enum {
    CDK_ACTIVATION_NONE = 0,
    CDK_ACTIVATION_RELU, /* max(0, y); NaN stays NaN */
    CDK_ACTIVATION_RELU6 /* min(6, max(0, y)); NaN stays NaN */
} cdk_activation;

#endif
