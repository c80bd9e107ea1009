"""Small detectors of every preset that find something everywhere."""

import torch

from fcos_edu import FCOS, FCOSConfig

SMALL = dict(num_classes=3, min_size=96, max_size=160, fpn_channels=16, num_head_convs=1,
             backbone="tiny", backbone_weights="random", frozen_stages=0)  # fmt: skip


def random_model(preset="tiny", **fields):
    torch.manual_seed(0)
    model = FCOS(getattr(FCOSConfig, preset)(**(SMALL | fields))).eval()
    torch.nn.init.normal_(model.head.classification.weight, std=0.3)
    torch.nn.init.constant_(model.head.classification.bias, -2.0)
    torch.nn.init.normal_(model.head.regression.weight, std=0.1)
    torch.nn.init.constant_(model.head.regression.bias, 2.5)
    return model
