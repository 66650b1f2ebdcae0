using FastExit.Bench.Client;
using FastExit.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Bench;

public class ReassemblerTests
{
    private const int A = 1611;

    [Fact]
    public void InterleavedDoubledAndShuffledMessagesComeBack()
    {
        var random = new Random(11);
        var reassembler = new Reassembler(16 << 20);
        var messages = new List<byte[]>();
        var fragments = new List<(int Message, byte[] Bytes)>();
        for (int m = 0; m < 40; m++)
        {
            byte[] message = new byte[random.Next(1, 40_000)];
            random.NextBytes(message);
            messages.Add(message);
            foreach (byte[] fragment in Cut(message))
            {
                fragments.Add((m, fragment));
                if (random.Next(4) == 0)
                    fragments.Add((m, fragment));
            }
        }

        random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(fragments));
        var completed = new HashSet<int>();
        foreach ((int m, byte[] fragment) in fragments)
        {
            FragmentOutcome outcome = reassembler.Add(fragment, 0, out ReadOnlySpan<byte> padded);
            Assert.NotEqual(FragmentOutcome.Malformed, outcome);
            if (outcome != FragmentOutcome.Complete)
                continue;
            Assert.True(MessagePadding.TryStrip(padded, out int bytes));
            Assert.Equal(messages[m], padded[..bytes].ToArray());
            Assert.True(completed.Add(m));
        }

        Assert.Equal(messages.Count, completed.Count);
        Assert.Equal(0, reassembler.Sets);
    }

    [Fact]
    public void UnfinishedSetsAreBoundedInBytes()
    {
        const int Sets = 50;
        var reassembler = new Reassembler(10 * 255 * (A - FragmentHeader.UnlinkedBytes));
        for (int i = 0; i < Sets; i++)
        {
            byte[] fragment = new byte[A];
            new FragmentHeader((uint)i + 1, 255, 1).Write(fragment);
            Assert.Equal(FragmentOutcome.Waiting, reassembler.Add(fragment, i, out _));
            Assert.InRange(reassembler.Sets, 1, 10);
        }
    }

    [Fact]
    public void ContradictionsAreRefused()
    {
        var reassembler = new Reassembler(1 << 20);
        byte[] fragment = new byte[A];
        new FragmentHeader(5, 3, 1).Write(fragment);
        Assert.Equal(FragmentOutcome.Waiting, reassembler.Add(fragment, 0, out _));
        new FragmentHeader(5, 4, 2).Write(fragment);
        Assert.Equal(FragmentOutcome.Malformed, reassembler.Add(fragment, 0, out _));
        Assert.Equal(FragmentOutcome.Malformed, reassembler.Add(fragment.AsSpan(0, 100), 0, out _));
    }

    [Fact]
    public void FuzzedFragmentsNeverBreakIt()
    {
        var random = new Random(5);
        var reassembler = new Reassembler(1 << 20);
        byte[] fragment = new byte[64];
        int accepted = 0;
        for (int i = 0; i < 1_000_000; i++)
        {
            random.NextBytes(fragment.AsSpan(0, 12));
            if ((i & 1) == 0)
                new FragmentHeader((uint)random.Next(1, 3000), (byte)random.Next(256), (byte)random.Next(256)).Write(fragment);
            FragmentOutcome outcome = reassembler.Add(fragment.AsSpan(0, random.Next(fragment.Length + 1)), i, out _);
            if (outcome is FragmentOutcome.Waiting or FragmentOutcome.Complete)
                accepted++;
        }

        Assert.True(accepted > 1000);
    }

    private static IEnumerable<byte[]> Cut(byte[] message)
    {
        FragmentPlan plan = FragmentPlan.For(message.Length, A);
        uint[] ids = new uint[plan.Sets];
        SetId.Fill(ids);
        for (int i = 0; i < plan.Packets; i++)
        {
            byte[] fragment = new byte[A];
            plan.WriteFragment(message, i, ids, fragment);
            yield return fragment;
        }
    }
}
