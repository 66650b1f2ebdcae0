using FastExit.Bench.Micro.Compare;
using Xunit;

namespace FastExit.Tests.Bench.Micro;

public sealed class JitListingTests
{
    private const string Loops = """
        ; Assembly listing for method FastExit.Crypto.Lanes.LadderLanes`1[FastExit.Crypto.Lanes.FieldLanes256]:Multiply(ptr,int,ptr) (FullOpts)
        ; Emitting BLENDED_CODE for x64 + VEX + EVEX on Unix
        ; FullOpts code
        ; rsp based frame
        ; partially interruptible

        G_M4242_IG01:                ;; offset=0x0000
               push     rbp
               sub      rsp, 32
               align    [8 bytes for IG02]
        						;; size=8 bbWeight=1 PerfScore 1.25

        G_M4242_IG02:                ;; offset=0x0008
               xor      ecx, ecx

        G_M4242_IG03:                ;; offset=0x000A
               vmovups  ymm0, ymmword ptr [rsp+0x10]
               vpaddq   ymm0, ymm0, ymmword ptr [rbp+0x20]
               lea      rax, [rsp+0x10]
               call     [FastExit.Crypto.Lanes.Limbs256:Carry(ptr)]
               mov      dword ptr [rsp], eax
               inc      ecx
               cmp      ecx, 10
               jl       SHORT G_M4242_IG03

               dec      edx
               jne      G_M4242_IG02
               vzeroupper
               ret

        RWD00  	dq	0007FFFFFFFFFFFFh, 0007FFFFFFFFFFFFh

        ; Total bytes of code 77
        """;

    private const string Straight = """
        ; Assembly listing for method FastExit.Crypto.Primitives.FieldElement:Square(byref,byref) (Tier1)
        ; Tier1 code
        ; rbp based frame

        G_M7_IG01:                ;; offset=0x0000
               push     rbp
               lea      rbp, [rsp+0x20]

        G_M7_IG02:                ;; offset=0x0008
               mulx     r8, r9, qword ptr [rsi]
               mov      qword ptr [rbp-0x08], r8
               add      r9, qword ptr [rbp-0x10]
               test     r9, r9
               je       SHORT G_M7_IG03
               mov      qword ptr [rdi], r9

        G_M7_IG03:                ;; offset=0x0020
               ret
        """;

    [Fact]
    public void The_innermost_loop_is_counted_and_a_general_register_is_no_stack()
    {
        KernelLoop loop = Assert.Single(Parse(Loops));
        Assert.Equal(new KernelLoop("LadderLanes`1[FieldLanes256]:Multiply", "FullOpts", true, 8, 2, 2, 1), loop);
    }

    [Fact]
    public void A_method_without_loop_is_counted_whole_with_its_frame()
    {
        KernelLoop loop = Assert.Single(Parse(Straight));
        Assert.Equal(new KernelLoop("FieldElement:Square", "Tier1", false, 9, 0, 2, 0), loop);
    }

    [Fact]
    public void The_last_listing_of_a_method_counts()
    {
        string first = Straight.Replace("(Tier1)", "(Tier0)", StringComparison.Ordinal);
        string last = Straight.Replace("mov      qword ptr [rbp-0x08], r8", "nop", StringComparison.Ordinal);
        KernelLoop[] loops = [.. Parse(first + "\n" + Loops + "\n" + last)];
        Assert.Equal(["FieldElement:Square", "LadderLanes`1[FieldLanes256]:Multiply"], loops.Select(l => l.Method).Order(StringComparer.Ordinal));
        Assert.Equal(("Tier1", 1), loops.Where(l => l.Method == "FieldElement:Square").Select(l => (l.Tier, l.StackAccesses)).Single());
    }

    [Fact]
    public void Two_loops_side_by_side_are_two()
    {
        const string Two = """
            ; Assembly listing for method A.B:C() (Tier1)
            G_IG01:
                   inc      eax
                   jne      SHORT G_IG01
            G_IG02:
                   dec      eax
                   dec      eax
                   jne      SHORT G_IG02
                   jmp      G_IG03
            G_IG03:
                   ret
            """;
        Assert.Equal([2, 3], Parse(Two).Select(l => l.Instructions));
    }

    // Two hundred thousand: each is forty lines.
    [Fact]
    public void Spoilt_listings_are_read_to_their_end()
    {
        Random random = new(4711);
        string[] lines = [.. (Loops + "\n" + Straight).Split('\n')];
        int found = 0;
        for (int i = 0; i < 200_000; i++)
        {
            string[] spoilt = [.. lines];
            for (int change = random.Next(1, 6); change > 0; change--)
            {
                int at = random.Next(spoilt.Length);
                spoilt[at] = random.Next(4) switch
                {
                    0 => spoilt[random.Next(spoilt.Length)],
                    1 => spoilt[at][..random.Next(spoilt[at].Length + 1)],
                    2 => spoilt[at] + (char)random.Next(32, 127),
                    _ => spoilt[at].Length == 0 ? " " : spoilt[at].Remove(random.Next(spoilt[at].Length), 1),
                };
            }

            foreach (KernelLoop loop in JitListing.Parse(spoilt))
            {
                found++;
                Assert.InRange(loop.StackAccesses + loop.Calls, 0, 2 * loop.Instructions);
                Assert.InRange(loop.Instructions, 1, 2 * lines.Length);
            }
        }

        Assert.True(found > 200_000);
    }

    private static IReadOnlyList<KernelLoop> Parse(string listing) => JitListing.Parse(listing.Split('\n'));
}
