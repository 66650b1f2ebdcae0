using FastExit.Crypto;
using FastExit.Crypto.Primitives;
using FastExit.Crypto.Sphinx;
using FastExit.Tests.Crypto.EndToEnd;
using FastExit.Tests.Crypto.Lanes;
using Xunit;

namespace FastExit.Tests.Crypto.Sphinx;

[Trait(CpuLevelTests.Levels, CpuLevelTests.All)]
public class LowOrderHeaderTests
{
    private const int PacketBytes = 2413;

    public static TheoryData<CpuLevel> Levels => LaneCases.Levels;

    /// <summary>Headers that anybody can make for any node: their shared secret is zero whoever opens them.</summary>
    [Theory]
    [MemberData(nameof(Levels))]
    public void AreRefusedThoughTheirCodeIsRightAndHarmNoNeighbour(CpuLevel level)
    {
        var random = new SeededBytes(77);
        SphinxHopBatch batch = new(level);
        byte[] privateKey = random.Bytes(32), ownPublic = new byte[32];
        X25519.MultiplyBase(privateKey, ownPublic);
        foreach (string point in X25519LanesTests.LowOrderPoints)
        {
            foreach (int bad in (int[])[0, 3, 7])
            {
                byte[] region = random.Bytes(8 * PacketBytes);
                SphinxLane[] lanes = new SphinxLane[8];
                for (int i = 0; i < lanes.Length; i++)
                {
                    lanes[i] = new SphinxLane { Offset = i * PacketBytes, Length = PacketBytes };
                    Span<byte> packet = region.AsSpan(i * PacketBytes, PacketBytes);
                    byte[] secret = new byte[32];
                    if (i == bad)
                        Convert.FromHexString(point).CopyTo(packet);
                    else
                        X25519.Multiply(privateKey, packet[..32], secret);
                    Finish(packet, secret);
                }

                byte[] before = [.. region];
                batch.OpenHeaders(region, lanes, privateKey);
                for (int i = 0; i < lanes.Length; i++)
                    Assert.Equal(i == bad ? SphinxStatus.BadKey : SphinxStatus.HeaderValid, lanes[i].Status);
                Assert.True(batch.HoldsSecrets);
                Assert.Equal(new byte[32], lanes[bad].ReplayTag[..].ToArray());
                batch.OpenPayloads(region, lanes);
                Assert.Equal(SphinxStatus.BadKey, lanes[bad].Status);
                Assert.True(region.AsSpan(bad * PacketBytes, PacketBytes).SequenceEqual(before.AsSpan(bad * PacketBytes, PacketBytes)));
                Assert.False(batch.HoldsSecrets);
            }
        }
    }

    /// <summary>A final hop's block under the keys of that secret, and its code.</summary>
    private static void Finish(Span<byte> packet, byte[] secret)
    {
        byte[] expanded = new byte[SharedSecretExpansion.Bytes];
        SharedSecretExpansion expansion = SharedSecretExpansion.Start(secret);
        expansion.ExtendTo(1, expanded);
        Span<byte> routing = packet[48..348];
        routing[0] = 2;
        (routing[1], routing[2], routing[3]) = (0, 1, 3);
        AesCtr.TransformZeroIv(expanded.AsSpan(SharedSecretExpansion.StreamKeyOffset, AesCtr.KeyBytes), routing);
        RoutingBlock.ComputeMac(expanded.AsSpan(SharedSecretExpansion.MacKeyOffset, 16), routing, packet[32..48]);
    }
}
