using FastExit.Bench.Tunnel;
using Xunit;

namespace FastExit.Tests.Bench.Tunnel;

public sealed class StageSharesTests
{
    private const string Loop =
        "\t    7efdc29d7e2d instance void [fastexit] FastExit.Cores.Core::Loop(class [FastExit.Native]FastExit.Native.IoUring.IoRing,class FastExit.Cores.CoreRooms)[QuickJitted] (/tmp/perf-4002.map)\n"
        + "\t          229756 [unknown] (/usr/share/dotnet/shared/Microsoft.NETCore.App/10.0.12/System.Private.CoreLib.dll)\n";

    [Theory]
    [InlineData("X25519", """
            	    7efdc18b8b8c void [FastExit.Crypto] FastExit.Crypto.Primitives.FieldElement::Square(valuetype FastExit.Crypto.Primitives.FieldElement&,valuetype FastExit.Crypto.Primitives.FieldElement&)[Optimized] (/tmp/perf-4002.map)
            	    7efdc481ea9f instance void [FastExit.Crypto] FastExit.Crypto.Sphinx.SphinxHeaderBatch::AgreeWithHop(int32)[OptimizedTier1] (/tmp/perf-4002.map)
            """)]
    [InlineData("AES, ChaCha20, BLAKE, SHA-256, Lioness", """
            	    7efdc2a18512 void [FastExit.Crypto] FastExit.Crypto.Primitives.Sha256::Compress(valuetype FastExit.Crypto.Primitives.Sha256State&,valuetype [System.Runtime]System.ReadOnlySpan`1<uint8>)[Optimized] (/tmp/perf-4002.map)
            	    7efdc482037d void [FastExit.Crypto] FastExit.Crypto.Sphinx.SphinxHopBatch::OpenHeader(valuetype [System.Runtime]System.ReadOnlySpan`1<uint8>,valuetype FastExit.Crypto.Sphinx.SphinxLane&)[OptimizedTier1] (/tmp/perf-4002.map)
            """)]
    [InlineData("Sphinx and end-to-end packets", """
            	           16a3c0 __memmove_avx_unaligned_erms (/usr/lib/x86_64-linux-gnu/libc.so.6)
            	          31b2d0 [unknown] (/usr/share/dotnet/shared/Microsoft.NETCore.App/10.0.12/System.Private.CoreLib.dll)
            	    7efdc4838582 instance void [fastexit] FastExit.Sphinx.SphinxStage::Open(valuetype [System.Runtime]System.Span`1<valuetype [FastExit.Crypto]FastExit.Crypto.Sphinx.SphinxLane>)[OptimizedTier1] (/tmp/perf-4002.map)
            """)]
    [InlineData("delivery: fragments, SURBs, acks, replies", """
            	    7efdc48f84d4 instance void [fastexit] FastExit.Delivery.ReplyStage::Run()[OptimizedTier1] (/tmp/perf-4002.map)
            """)]
    [InlineData("IP packet router", """
            	    7efdc48f84d4 instance void [fastexit] FastExit.IpPacketRouter.IprShard::OnFrame(valuetype [System.Runtime]System.Span`1<uint8>,int64)[OptimizedTier1] (/tmp/perf-4002.map)
            """)]
    [InlineData("TUN device and segmentation", """
            	    7efdc48f84d4 instance bool [FastExit.Native] FastExit.Native.Tun.PacketSegmenter::TryNext(valuetype [System.Runtime]System.Span`1<uint8>,int32&)[OptimizedTier1] (/tmp/perf-4002.map)
            	    7efdc48f84d5 instance void [fastexit] FastExit.IpPacketRouter.IprShard::OnFrame(valuetype [System.Runtime]System.Span`1<uint8>,int64)[OptimizedTier1] (/tmp/perf-4002.map)
            """)]
    [InlineData("mix link", """
            	    7efdc48f84d4 instance void [fastexit] FastExit.MixLink.MixIngress::OnCompletion(valuetype [FastExit.Native]FastExit.Native.IoUring.Completion&,int64)[OptimizedTier1] (/tmp/perf-4002.map)
            """)]
    [InlineData("cores, rings, memory", """
            	    7efdc48f84d4 instance bool [FastExit.Native] FastExit.Native.IoUring.IoRing::TryTake(valuetype FastExit.Native.IoUring.Completion&)[OptimizedTier1] (/tmp/perf-4002.map)
            """)]
    [InlineData("kernel: TUN, forwarding, NAT", """
            	ffffffff81f5b029 nf_nat_ipv4_out ([kernel.kallsyms])
            	ffffffff81e65f1f tcp_v4_rcv ([kernel.kallsyms])
            	ffffffff81db48a8 tun_get_user ([kernel.kallsyms])
            	ffffffff81db5737 tun_chr_write_iter ([kernel.kallsyms])
            	ffffffff81b4dca0 io_write ([kernel.kallsyms])
            	          101829 syscall (/usr/lib/x86_64-linux-gnu/libc.so.6)
            """)]
    [InlineData("kernel: sockets of the mix link", """
            	ffffffff81f28613 nf_hook_slow ([kernel.kallsyms])
            	ffffffff81ffc80e __tcp_transmit_skb ([kernel.kallsyms])
            	ffffffff81ffc80f tcp_sendmsg_locked ([kernel.kallsyms])
            	ffffffff81b4dca0 io_sendmsg ([kernel.kallsyms])
            """)]
    [InlineData("kernel: io_uring, scheduling, page faults", """
            	ffffffff8162f481 finish_task_switch.isra.0 ([kernel.kallsyms])
            	ffffffff81b45eb1 __do_sys_io_uring_enter ([kernel.kallsyms])
            	          101829 syscall (/usr/lib/x86_64-linux-gnu/libc.so.6)
            	    7efdc48f84d4 instance void [fastexit] FastExit.Delivery.ReplyStage::Run()[OptimizedTier1] (/tmp/perf-4002.map)
            """)]
    [InlineData(".NET runtime and the rest", """
            	          2a8c40 CRYPTO_THREAD_write_lock (/usr/lib/x86_64-linux-gnu/libcrypto.so.3)
            	               0 [unknown] ([unknown])
            """)]
    public void A_sample_belongs_to_the_innermost_function_of_the_project_or_to_what_the_kernel_was_asked_for(string stage, string frames)
    {
        string loop = stage[0] == '.' ? "" : Loop;
        StageShares shares = Read($"\n{frames}\n{loop}\n\n");
        Assert.Equal(1, shares.Samples);
        int[] expected = new int[StageShares.Stages.Count];
        expected[StageShares.Stages.ToList().IndexOf(stage)] = 1000;
        Assert.Equal(expected, shares.Permille());
    }

    [Fact]
    public void Shares_add_up_to_a_hundred_percent()
    {
        const string X25519 = "\t 7f0000000000 void [A] FastExit.Crypto.Primitives.X25519::Ladder() (/tmp/perf-1.map)\n\n";
        const string MixLink = "\t 7f0000000000 void [A] FastExit.MixLink.MixEgress::Send() (/tmp/perf-1.map)\n\n";
        const string Kernel = "\tffffffff8162f481 schedule ([kernel.kallsyms])\n\n";
        int[] permille = Read(X25519 + MixLink + Kernel).Permille();
        Assert.Equal(1000, permille.Sum());
        Assert.Equal([0, 333, 333, 334], permille.Order().TakeLast(4));
        Assert.Equal(0, Read("").Permille().Sum());
        Assert.Equal(0, Read("perf: nothing recorded\n\n").Samples);
    }

    [Fact]
    public void Whatever_perf_prints_is_read()
    {
        string[] pieces =
        [
            "\t", " ", "ffffffff81b45eb1", "7efdc48f84d4", "0", "void [fastexit] ", "FastExit.MixLink.MixEgress", "::", "] ", "[", "(", " (", ")",
            "tun_get_user", "tcp_sendmsg", "\n", "\n\n", "é", "\0", "FastExit.", "[unknown]",
        ];
        int read = GeneratedInputs.Accepted(seed: 71, (random, count) =>
        {
            var shares = new StageShares();
            for (int i = 0; i < count; i++)
            {
                string line = string.Concat(Enumerable.Range(0, random.Next(9)).Select(_ => pieces[random.Next(pieces.Length)]));
                shares.Add(line);
            }

            shares.End();
            Assert.Equal(1000, shares.Permille().Sum());
            return (int)shares.Samples;
        });
        Assert.InRange(read, 1000, GeneratedInputs.Count);
    }

    private static StageShares Read(string output)
    {
        var shares = new StageShares();
        foreach (string line in output.Split('\n'))
            shares.Add(line);
        shares.End();
        return shares;
    }
}
