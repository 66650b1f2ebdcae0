using FastExit.Crypto;
using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;
using Xunit;

namespace FastExit.Tests.Crypto.EndToEnd;

/// <summary>A route whose nodes' private keys are known, and a packet's way along it.</summary>
internal sealed class TestRoute
{
    public TestRoute(SeededBytes random, int hops)
    {
        PrivateKeys = random.Bytes(32 * hops);
        PublicKeys = new byte[32 * hops];
        Addresses = new byte[32 * hops];
        Delays = new ulong[hops];
        Destination = random.Bytes(32);
        for (int i = 0; i < hops; i++)
        {
            X25519.MultiplyBase(PrivateKeys.AsSpan(32 * i, 32), PublicKeys.AsSpan(32 * i, 32));
            Span<byte> address = Addresses.AsSpan(32 * i, 32);
            bool ipv6 = random.Below(2) == 0;
            random.Fill(address[..(ipv6 ? 19 : 7)]);
            address[0] = (byte)(ipv6 ? 6 : 4);
            Delays[i] = random.Next() >> 34;
        }
    }

    public byte[] PrivateKeys { get; }

    public byte[] PublicKeys { get; }

    public byte[] Addresses { get; }

    public ulong[] Delays { get; }

    public byte[] Destination { get; }

    public byte[] Identifier { get; } = new byte[16];

    public int Hops => Delays.Length;

    public SphinxRoute Route => new(PublicKeys, Addresses, Delays, Destination, Identifier);

    public NodeAddress FirstHop =>
        NodeAddress.TryRead(Addresses, out NodeAddress first, out _) ? first : throw new InvalidOperationException();

    /// <summary>Unwraps a packet at every node in turn and returns what the last one finds.</summary>
    public byte[] Travel(ReadOnlySpan<byte> packet)
    {
        byte[] region = packet.ToArray();
        SphinxHopBatch batch = new();
        for (int hop = 0; hop < Hops; hop++)
        {
            SphinxLane[] lanes = [new SphinxLane { Offset = 0, Length = region.Length, Key = hop }];
            batch.OpenHeaders(region, lanes, PrivateKeys);
            Assert.Equal(SphinxStatus.HeaderValid, lanes[0].Status);
            batch.OpenPayloads(region, lanes);
            if (hop < Hops - 1)
            {
                Assert.Equal(SphinxStatus.Forward, lanes[0].Status);
                Assert.Equal(Delays[hop], lanes[0].DelayNanoseconds);
                Bytes32 next = lanes[0].NextHop;
                Assert.Equal(Addresses[(32 * (hop + 1))..(32 * (hop + 2))], next.AsReadOnlySpan().ToArray());
                continue;
            }

            Assert.Equal(SphinxStatus.Final, lanes[0].Status);
            Bytes32 destination = lanes[0].Destination;
            Assert.Equal(Destination, destination.AsReadOnlySpan().ToArray());
            return region[lanes[0].PlaintextOffset..(lanes[0].PlaintextOffset + lanes[0].PlaintextBytes)];
        }

        throw new InvalidOperationException("The route has no hops.");
    }
}
