"""What small convolutional networks that look at images are made of."""

from __future__ import annotations

from torch import Tensor, nn

TRUNK_CHANNELS = (24, 48, 96, 128)


def convolution_block(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    """Return a 3×3 convolution, batch normalisation and SiLU."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False), nn.BatchNorm2d(channels_out), nn.SiLU()
    )


class ResidualBlock(nn.Module):
    """Two convolution blocks whose output is added to their input."""

    def __init__(self, channel_count: int) -> None:
        super().__init__()
        self.conv0 = convolution_block(channel_count, channel_count)
        self.conv1 = convolution_block(channel_count, channel_count)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.conv1(self.conv0(x))
        return y


class ConvolutionalTrunk(nn.Module):
    """The first half of a network that looks at images.

    Attributes:
        down64, down32, down16, down8: are applied in turn, and each halves the size. They are named after the size of their
            output for images of 128 pixels, and have `TRUNK_CHANNELS`.
    """

    def __init__(self) -> None:
        super().__init__()
        channels_64, channels_32, channels_16, channels_8 = TRUNK_CHANNELS
        self.down64 = convolution_block(3, channels_64, 2)
        self.down32 = nn.Sequential(convolution_block(channels_64, channels_32, 2), ResidualBlock(channels_32))
        self.down16 = nn.Sequential(convolution_block(channels_32, channels_16, 2), ResidualBlock(channels_16))
        self.down8 = nn.Sequential(
            convolution_block(channels_16, channels_8, 2), ResidualBlock(channels_8), ResidualBlock(channels_8)
        )
