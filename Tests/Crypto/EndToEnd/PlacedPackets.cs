using FastExit.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Crypto.EndToEnd;

/// <summary>A region with packets of several sizes in it, random fragments laid, guard bytes around each.</summary>
internal sealed class PlacedPackets
{
    private const int GuardBytes = 13;
    private readonly byte[] _before;

    public PlacedPackets(SeededBytes random, PacketSize[] sizes)
    {
        Sizes = sizes;
        Offsets = new int[sizes.Length];
        Fragments = new byte[sizes.Length][];
        AckPrefixes = new byte[sizes.Length][];
        int end = GuardBytes;
        for (int i = 0; i < sizes.Length; i++)
        {
            Offsets[i] = end;
            end += PacketSizes.PacketBytes(sizes[i]) + GuardBytes;
        }

        Region = random.Bytes(end);
        for (int i = 0; i < sizes.Length; i++)
        {
            AckPrefixes[i] = random.Bytes(405);
            Fragments[i] = random.Bytes(PacketSizes.FragmentBytes(sizes[i]));
            Fragments[i].CopyTo(Region, Offsets[i] + PacketLayout.FragmentOffset);
        }

        _before = [.. Region];
    }

    public PacketSize[] Sizes { get; }

    public int[] Offsets { get; }

    public byte[][] Fragments { get; }

    public byte[][] AckPrefixes { get; }

    public byte[] Region { get; }

    public ReadOnlySpan<byte> Packet(int index) =>
        Region.AsSpan(Offsets[index], PacketSizes.PacketBytes(Sizes[index]));

    public void AssertGuards()
    {
        for (int i = 0; i < Offsets.Length; i++)
        {
            int after = Offsets[i] + PacketSizes.PacketBytes(Sizes[i]);
            Assert.Equal(_before[(Offsets[i] - GuardBytes)..Offsets[i]], Region[(Offsets[i] - GuardBytes)..Offsets[i]]);
            Assert.Equal(_before[after..(after + GuardBytes)], Region[after..(after + GuardBytes)]);
        }
    }
}
